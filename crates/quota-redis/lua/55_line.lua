-- The line of those that wait for a slot, walked candidate by candidate. A batch looks at no more of
-- them than its size allows (Q12): what is left is noted and goes on with the next batch.

C.WALK, C.LOOK, C.THAW, C.THAWS_MAX = 64, 64, 32, 16
-- Tickets that rest, classes that tickets hold, what was claimed for routers that may not have heard of
-- it, the look, how many thaws follow. Then these: a model,
-- empty for all; then who waits for what: router, in line, resting, delayed.
C.WALK_FORMAT = '<dddBdc16I2'
C.THAW_FORMAT = '<Bdc16I4c0'
C.WAITING_FORMAT = '<c8I4I4I4'
-- Somebody waits in it and is not there: it has to be said again who.
C.LOST = 'a line is shorter than its count'
C.NO_ID = C.ZEROS .. C.ZEROS
-- A round: it is there, is to be begun anew at its end, has begun, is of all.
C.IS_THERE, C.AGAIN, C.HAS_BEGUN, C.OF_ALL = 1, 2, 4, 8

function F.read_round(flags, arrival, id)
  if flags % 2 == 0 then return false end
  return { again = flags % 4 >= 2, id = flags % 8 >= 4 and id, arrival = arrival }
end

function F.round_flags(round)
  if not round then return 0 end
  return C.IS_THERE + (round.again and C.AGAIN or 0) + (round.id and C.HAS_BEGUN or 0)
end

function F.walk()
  local walk = S.walk
  if walk then return walk end
  walk = { resting = 0, classes = 0, told = 0, look = false, thaws = {}, waiting = {}, changed = true }
  local text = S.walk_text
  if text then
    local flags, arrival, id, thaws, at
    walk.resting, walk.classes, walk.told, flags, arrival, id, thaws, at = read(C.WALK_FORMAT, text)
    F.insist_on_counts(walk.resting, walk.classes, walk.told)
    walk.look, walk.changed = F.read_round(flags, arrival, id), false
    for one = 1, thaws do
      local model
      flags, arrival, id, model, at = read(C.THAW_FORMAT, text, at)
      local round = F.read_round(flags, arrival, id)
      round.model = flags < C.OF_ALL and model
      walk.thaws[one] = round
    end
    while at <= #text do
      local one, own = nil, {}
      one, own.listed, own.resting, own.delayed, at = read(C.WAITING_FORMAT, text, at)
      walk.waiting[one] = own
    end
  end
  S.walk = walk
  return walk
end

-- The text as it is to be, or nil if it stays.
function F.pack_walk()
  local walk = F.walk()
  if not walk.changed then return nil end
  local look = walk.look
  local parts = { pack(C.WALK_FORMAT, walk.resting, walk.classes, walk.told,
    F.round_flags(look), look and look.arrival or 0, look and look.id or C.NO_ID, #walk.thaws) }
  for _, round in ipairs(walk.thaws) do
    local model = round.model or ''
    parts[#parts + 1] = pack(C.THAW_FORMAT, F.round_flags(round) + (round.model and 0 or C.OF_ALL),
      round.arrival, round.id or C.NO_ID, #model, model)
  end
  for one, own in pairs(walk.waiting) do
    if own.listed + own.resting + own.delayed > 0 then
      parts[#parts + 1] = pack(C.WAITING_FORMAT, one, own.listed, own.resting, own.delayed)
    end
  end
  return table.concat(parts)
end

-- What a router waits for.
function F.waiting_of(one)
  local waiting = F.walk().waiting
  local own = waiting[one]
  if not own then
    own = { listed = 0, resting = 0, delayed = 0 }
    waiting[one] = own
  end
  return own
end

function F.begin_walk()
  local commands = #S.batch[2]
  S.walk_left, S.look_left, S.thaw_left = C.WALK + 2 * commands, C.LOOK + commands, C.THAW + commands
  S.is_cut = false
end

-- Whether the next batch has to go on.
function F.is_unfinished()
  local walk = F.walk()
  return S.is_cut or walk.look or #walk.thaws > 0
end

function F.begin_anew(round)
  round.again = round.again or round.id ~= false
end

-- The end is reached. Whether that was all.
function F.end_round(round)
  local again = round.again
  round.again, round.arrival, round.id = false, 0, false
  return not again
end

function F.new_round(model)
  return { again = false, arrival = 0, id = false, model = model }
end

-- Has all in line looked at.
function F.look_again()
  local walk = F.walk()
  walk.look, walk.changed = walk.look or F.new_round(), true
  F.begin_anew(walk.look)
end

-- Has those of a model, or all (false), that rest looked at.
function F.thaw(model)
  local walk = F.walk()
  if walk.resting == 0 then return end
  walk.changed = true
  for _, round in ipairs(walk.thaws) do
    if round.model == model then return F.begin_anew(round) end
  end
  model = #walk.thaws < C.THAWS_MAX and model
  if not model then walk.thaws = {} end
  walk.thaws[#walk.thaws + 1] = F.new_round(model)
end

-- Notes what has changed about rests. Whether there was anything.
function F.note_changes()
  local opened, has_closed = S.opened, S.has_closed
  if #opened == 0 and not has_closed then return false end
  S.opened, S.has_closed = {}, false
  if has_closed and S.pool.listed > 0 then F.look_again() end
  for _, scope in ipairs(opened) do
    F.thaw(sub(scope, 1, 1) == 'm' and F.read_model_scope(scope) or false)
  end
  return true
end

-- Whether one who waits can use a slot, and stands in line. If not, it is told so or rests.
function F.judge(id)
  local row = F.ticket_of(id)
  local usable, reason, ends = F.standing(F.class_of_digest(row.class))
  if F.is_refused(usable, reason, row.waits == 1) then
    F.move_ticket(id, C.WAITS_LEAVE, ends, reason)
    F.tell(id)
    return false
  end
  usable = usable and not F.is_skipped(F.owner_of(id))
  local stage = usable and C.WAITS_SLOT or C.WAITS_REST
  if row.stage ~= stage then F.move_ticket(id, stage) end
  return usable
end

-- Up to `most` ids of a set in the order of arrival, after the place of a round; their arrivals.
function F.after(key, round, most)
  local ids, arrivals, from = {}, {}, 0
  local least = round.id and string.format('%.17g', round.arrival) or '-inf'
  while #ids < most do
    local found = F.range('ZRANGEBYSCORE', key, least, '+inf', 'WITHSCORES', 'LIMIT', from, most)
    for at = 1, #found, 2 do
      local id, arrival = found[at], tonumber(found[at + 1])
      local is_after = not round.id or F.place_less(round.arrival, round.id, arrival, id)
      if is_after and #ids < most then ids[#ids + 1], arrivals[#arrivals + 1] = id, arrival end
    end
    if #found < 2 * most then break end
    from = from + most
  end
  return ids, arrivals
end

-- The same of those of a model that rest.
function F.resting_after(round, most)
  if not round.model then
    local found, places = F.after(RESTING, round, most)
    if not round.id and #found < min(most, F.walk().resting) then error(C.LOST) end
    return found, places
  end
  local ids, arrivals = {}, {}
  local hash = sub(redis.sha1hex(round.model), 1, 20)
  local least = round.id and '(' .. hash .. 'r' .. pack('>I8', round.arrival) .. round.id
    or '[' .. hash .. 'r'
  for at, member in ipairs(F.range('ZRANGEBYLEX', MODELS, least, '(' .. hash .. 's', 'LIMIT', 0,
    most)) do
    ids[at], arrivals[at] = sub(member, 30), read('>I8', member, 22)
  end
  return ids, arrivals
end

-- Takes back into the line what may have become usable, as far as the batch may.
function F.thaw_some()
  local walk = F.walk()
  while S.thaw_left > 0 and walk.thaws[1] do
    local round, most = walk.thaws[1], S.thaw_left
    local ids, arrivals = {}, {}
    if walk.resting > 0 then ids, arrivals = F.resting_after(round, most) end
    F.prepare(ids)
    for _, id in ipairs(ids) do F.judge(id) end
    S.thaw_left, walk.changed = most - #ids, true
    if #ids > 0 then round.arrival, round.id = arrivals[#ids], ids[#ids] end
    if #ids < most and F.end_round(round) then table.remove(walk.thaws, 1) end
  end
end

-- Looks at those in line, as far as the batch may.
function F.look_at_some()
  local walk = F.walk()
  while S.look_left > 0 and walk.look do
    local round, most, ids, arrivals = walk.look, S.look_left, {}, {}
    walk.changed = true
    if S.pool.listed > 0 then ids, arrivals = F.after(ORDER, round, most) end
    F.prepare(ids)
    for _, id in ipairs(ids) do F.judge(id) end
    if #ids > 0 then round.arrival, round.id = arrivals[#ids], ids[#ids] end
    S.look_left = most - #ids
    if #ids < most and F.end_round(round) then walk.look = false end
  end
end

-- The first ids in the order of arrival. What leaves the line or stands elsewhere by now is passed
-- over; what enters it before its end makes it void.
function F.read_line(count)
  local found = F.range('ZRANGE', ORDER, 0, count - 1, 'WITHSCORES')
  local ids, arrivals = {}, {}
  for at = 1, #found, 2 do
    ids[#ids + 1], arrivals[#arrivals + 1] = found[at], tonumber(found[at + 1])
  end
  F.prepare(ids)
  S.line = { ids = ids, arrivals = arrivals, at = 1, is_all = #ids < count }
  return S.line
end

function F.note_in_line(id, arrival)
  local line = S.line
  if not line then return end
  local last = #line.ids
  if last > 0 and F.place_less(arrival, id, line.arrivals[last], line.ids[last]) then
    S.line = false
  elseif line.is_all then
    line.ids[last + 1], line.arrivals[last + 1] = id, arrival
  end
end

-- The first in line; there is one.
function F.first_in_line()
  local line = S.line or F.read_line(min(floor(#S.batch[2] / 2) + 2, C.WALK))
  while true do
    while line.at <= #line.ids do
      local id = line.ids[line.at]
      local row = F.ticket_of(id)
      if row and row.stage == C.WAITS_SLOT and row.arrival == line.arrivals[line.at] then
        return id, row.arrival
      end
      line.at = line.at + 1
    end
    if line.is_all then error(C.LOST) end
    line = F.read_line(min(2 * #line.ids, 4 * C.WALK))
  end
end

-- The first in line who can use a slot, or nil; who cannot leaves the line. Third: the batch may look
-- no further.
function F.first_usable()
  while S.pool.listed > 0 do
    local id, arrival = F.first_in_line()
    if S.walk_left == 0 then
      S.is_cut = true
      return nil, nil, true
    end
    S.walk_left = S.walk_left - 1
    if F.judge(id) then return id, arrival, false end
  end
  return nil, nil, false
end
