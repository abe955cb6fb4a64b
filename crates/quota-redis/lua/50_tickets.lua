-- Everything that waits, and what it can use. What may be able to use a slot stands in one line in the
-- order of arrival (Q5); what is known not to be rests beside it, by model (Q12).

C.WAITS_DELAY, C.WAITS_SLOT, C.WAITS_CLAIM, C.WAITS_LEAVE, C.WAITS_REST = 1, 2, 3, 4, 5
-- So many kinds of request may have tickets that wait.
C.CLASSES_MAX = 4096
-- Of the delays that end next so many are looked at for a router's own.
C.OWN_DELAYS_MAX = 16

-- A class is its packed text: model, operation, keys. One that no ticket holds leaves no trace.
function F.read_class(blob, digest)
  local parts = cmsgpack.unpack(blob)
  return { blob = blob, model = parts[1], keys = parts[3], digest = digest }
end

function F.parse_class(blob)
  return F.read_class(blob, redis.sha1hex(blob))
end

-- The class that a command names by its place in the batch.
function F.class_of_batch(at)
  local classes = S.batch[1]
  if type(classes[at]) == 'string' then classes[at] = F.parsed(classes[at], F.parse_class) end
  return classes[at]
end

-- Reads classes that tickets hold, and how many do, at once.
function F.fetch_classes(digests)
  local unread, seen = {}, {}
  for _, digest in ipairs(digests) do
    if not (S.classes[digest] or seen[digest]) then
      unread[#unread + 1], seen[digest] = digest, true
    end
  end
  for from = 1, #unread, C.ARGUMENTS_MAX do
    local last = min(from + C.ARGUMENTS_MAX - 1, #unread)
    for at, row in ipairs(call('HMGET', ROWS, unpack(unread, from, last))) do
      local digest = unread[from + at - 1]
      if row then
        local class = parsed[digest]
        if not class then
          class = F.read_class(sub(row, 9), digest)
          F.keep_parsed(digest, class, #class.blob)
        end
        S.classes[digest] = { class = class, tickets = read('<d', row), changed = false }
      end
    end
  end
end

function F.class_of_digest(digest)
  if not S.classes[digest] then F.fetch_classes({ digest }) end
  return S.classes[digest].class
end

-- A class and how many tickets hold it; those of all that the batch names are read with the first.
function F.held_class(class)
  local digest = class.digest
  if not S.classes[digest] then
    local digests = { digest }
    for at = 1, #S.batch[1] do digests[at + 1] = F.class_of_batch(at).digest end
    F.fetch_classes(digests)
  end
  local held = S.classes[digest]
  if not held then
    held = { class = class, tickets = 0, changed = false }
    S.classes[digest] = held
  end
  return held
end

-- Counts tickets of a class in or out.
function F.hold_class(class, by)
  local held, walk = F.held_class(class), F.walk()
  if held.tickets == 0 then walk.classes = walk.classes + 1 end
  held.tickets, held.changed = held.tickets + by, true
  if held.tickets == 0 then walk.classes = walk.classes - 1 end
  walk.changed = true
end

-- Reads what is known of tickets, of their classes and of their models at once.
function F.prepare(ids)
  F.fetch(ids)
  local digests, models = {}, {}
  for _, id in ipairs(ids) do
    local row = S.tickets[id]
    if row then digests[#digests + 1] = row.class end
  end
  F.fetch_classes(digests)
  if not F.has_model_rests() then return end
  for at, digest in ipairs(digests) do models[at] = S.classes[digest].class.model end
  F.fetch_rests(models)
end

-- The places of a class's keys that the limits name, ascending and each once.
function F.places_of(class)
  if class.resolved == S.limits then return class.places end
  local places, seen = {}, {}
  for _, name in ipairs(class.keys) do
    local place = S.limits.places[name]
    if place and not seen[place] then
      seen[place] = true
      places[#places + 1] = place
    end
  end
  table.sort(places)
  class.places, class.resolved, class.count = places, S.limits, nil
  return places
end

-- The beginning of a model's members among those held back.
function F.model_hash(class)
  class.hash = class.hash or sub(redis.sha1hex(class.model), 1, 20)
  return class.hash
end

function F.member_of(id, row, kind)
  return F.model_hash(F.class_of_digest(row.class)) .. kind .. pack('>I8', row.arrival) .. id
end

-- Tickets of a model that wait for a rest or for a delay.
function F.held_back(class)
  if S.pool.delayed + F.walk().resting == 0 then return 0 end
  local hash = F.model_hash(class)
  return F.range('ZLEXCOUNT', MODELS, '[' .. hash, '(' .. hash .. '\255')
end

-- Counts what a ticket waits for in or out.
function F.count_waiting(id, stage, by)
  local pool, walk = S.pool, F.walk()
  local own = F.waiting_of(F.owner_of(id))
  if stage == C.WAITS_DELAY then
    pool.delayed, own.delayed = pool.delayed + by, own.delayed + by
  elseif stage == C.WAITS_SLOT then
    pool.listed, own.listed = pool.listed + by, own.listed + by
  else
    walk.resting, own.resting = walk.resting + by, own.resting + by
  end
  walk.changed = true
end

function F.enter_stage(id, row)
  local stage = row.stage
  if stage == C.WAITS_DELAY then
    F.enter(DELAYED, row.ends, id)
    F.enter(MODELS, 0, F.member_of(id, row, 'd'))
  elseif stage == C.WAITS_SLOT then
    F.enter(ORDER, row.arrival, id)
    F.note_in_line(id, row.arrival)
  elseif stage == C.WAITS_REST then
    F.enter(RESTING, row.arrival, id)
    F.enter(MODELS, 0, F.member_of(id, row, 'r'))
  else
    return
  end
  F.count_waiting(id, stage, 1)
end

function F.exit_stage(id, row)
  local stage = row.stage
  if stage == C.WAITS_DELAY then
    F.remove(DELAYED, id)
    F.remove(MODELS, F.member_of(id, row, 'd'))
  elseif stage == C.WAITS_SLOT then
    F.remove(ORDER, id)
  elseif stage == C.WAITS_REST then
    F.remove(RESTING, id)
    F.remove(MODELS, F.member_of(id, row, 'r'))
  else
    return F.untell(id)
  end
  F.count_waiting(id, stage, -1)
end

function F.insert_ticket(id, row)
  S.pool.tickets = S.pool.tickets + 1
  F.enter(DEADLINES, row.deadline, id)
  S.pool.deadline_at = min(S.pool.deadline_at, row.deadline)
  F.ticket_of(id)
  S.tickets[id], S.changed[id] = row, true
  F.enter_stage(id, row)
end

function F.move_ticket(id, stage, ends, reason)
  local row = F.ticket_of(id)
  if not row then return end
  F.exit_stage(id, row)
  row.stage, row.ends, row.reason = stage, ends or -1, reason or 0
  S.changed[id] = true
  F.enter_stage(id, row)
end

-- Takes a ticket out for good (Q9), in whatever stage it is; its lease stays.
function F.drop_ticket(id)
  local row = F.ticket_of(id)
  if not row then return end
  F.exit_stage(id, row)
  S.tickets[id], S.changed[id] = false, true
  S.pool.tickets = S.pool.tickets - 1
  if S.pool.tickets == 0 then S.pool.deadline_at = C.MAX end
  F.remove(DEADLINES, id)
  F.hold_class(F.class_of_digest(row.class), -1)
end

-- How many listed tickets arrived before this one.
function F.ahead_of(id, arrival)
  if S.pool.listed == 0 then return 0 end
  local rank = F.range('ZRANK', ORDER, id)
  if rank then return rank end
  local ahead = call('ZCOUNT', ORDER, '-inf', F.beyond(arrival))
  for _, other in ipairs(call('ZRANGEBYSCORE', ORDER, arrival, arrival)) do
    if F.id_less(other, id) then ahead = ahead + 1 end
  end
  return ahead
end
