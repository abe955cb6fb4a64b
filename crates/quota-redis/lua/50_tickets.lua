-- Everything that waits, and what it can use. Listed tickets stand twice: in the order of arrival
-- of all (for places), and by list, where the first of each list costs one look (Q5).

C.WAITS_DELAY, C.WAITS_SLOT, C.WAITS_CLAIM, C.WAITS_LEAVE = 1, 2, 3, 4
-- A list's name: digest of the class, owner, readiness to wait; then arrival and number.
C.LIST_NAME = 40 + 8 + 1
C.PAST_MEMBERS = C.PAST_NUMBERS .. C.PAST_NUMBERS .. '\255'

-- A class is its packed text: model, operation, keys. One that no ticket holds leaves no trace.
function F.parse_class(blob)
  local parts = cmsgpack.unpack(blob)
  return { blob = blob, model = parts[1], keys = parts[3], digest = redis.sha1hex(blob) }
end

-- The class that a command names by its place in the batch.
function F.class_of_batch(at)
  local classes = S.batch[1]
  if type(classes[at]) == 'string' then classes[at] = F.parsed(classes[at], F.parse_class) end
  return classes[at]
end

function F.class_of_digest(digest)
  local held = S.classes[digest]
  local class = held and held.class or parsed[digest]
  if not class then
    class = F.parsed(sub(call('HGET', ROWS, digest), 9), F.parse_class)
    F.keep_parsed(digest, class, #class.blob)
  end
  return class
end

-- Counts tickets of a class in or out.
function F.hold_class(class, by)
  local digest = class.digest
  local held = S.classes[digest]
  if not held then
    local row = call('HGET', ROWS, digest)
    held = { class = class, tickets = row and read('<d', row) or 0 }
    S.classes[digest] = held
  end
  held.tickets = held.tickets + by
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
  class.places, class.resolved = places, S.limits
  return places
end

function F.list_of(id, row)
  return row.class .. F.owner_of(id) .. (row.waits == 1 and '1' or '0')
end

function F.member_of(id, row)
  return F.list_of(id, row) .. pack('>I8', row.arrival) .. sub(id, 9)
end

-- Reads a list's first ticket, from a member of it.
function F.read_head(member)
  local owner = sub(member, 41, 48)
  return { class = F.class_of_digest(sub(member, 1, 40)), owner = owner,
    name = sub(member, 1, C.LIST_NAME), waits = byte(member, C.LIST_NAME) == 49,
    arrival = read('>I8', member, C.LIST_NAME + 1),
    id = owner .. sub(member, C.LIST_NAME + 9) }
end

-- Hops from list to list.
function F.read_heads()
  if S.heads then return S.heads end
  S.heads = {}
  local from = '-'
  while S.pool.listed > 0 do
    local member = F.range('ZRANGEBYLEX', LISTS, from, '+', 'LIMIT', 0, 1)[1]
    if not member then break end
    local head = F.read_head(member)
    S.heads[head.name] = head
    from = '(' .. head.name .. C.PAST_MEMBERS
  end
  return S.heads
end

-- The first ids in the order of arrival. What leaves the line or stands elsewhere by now is passed
-- over; what enters it before its end makes it void.
function F.read_line(count)
  local found = F.range('ZRANGE', ORDER, 0, count - 1, 'WITHSCORES')
  local ids, arrivals = {}, {}
  for at = 1, #found, 2 do
    ids[#ids + 1], arrivals[#arrivals + 1] = found[at], tonumber(found[at + 1])
  end
  F.fetch(ids)
  S.line = { ids = ids, arrivals = arrivals, is_all = #ids < count }
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

-- The first in the order of arrival whose router is not skipped, or nil.
function F.first_in_line()
  local line = S.line or F.read_line(min(floor(#S.batch[2] / 2) + 2, 64))
  while true do
    for at, id in ipairs(line.ids) do
      local row, owner = F.ticket_of(id), F.owner_of(id)
      if row and row.stage == C.WAITS_SLOT and row.arrival == line.arrivals[at]
        and not F.is_skipped(owner) then
        return { id = id, owner = owner, arrival = row.arrival, class = F.class_of_digest(row.class) }
      end
    end
    if line.is_all then return nil end
    line = F.read_line(2 * #line.ids)
  end
end

function F.enter_stage(id, row)
  if row.stage == C.WAITS_DELAY then
    F.enter(DELAYED, row.ends, id)
    S.pool.delayed = S.pool.delayed + 1
  elseif row.stage == C.WAITS_SLOT then
    local member = F.member_of(id, row)
    F.enter(ORDER, row.arrival, id)
    F.enter(LISTS, 0, member)
    S.pool.listed = S.pool.listed + 1
    F.note_in_line(id, row.arrival)
    if S.heads then
      local head = S.heads[F.list_of(id, row)]
      if not head or F.place_less(row.arrival, id, head.arrival, head.id) then
        head = F.read_head(member)
        S.heads[head.name] = head
      end
    end
  end
end

function F.exit_stage(id, row)
  if row.stage == C.WAITS_DELAY then
    F.remove(DELAYED, id)
    S.pool.delayed = S.pool.delayed - 1
  elseif row.stage == C.WAITS_SLOT then
    F.remove(ORDER, id)
    F.remove(LISTS, F.member_of(id, row))
    S.pool.listed = S.pool.listed - 1
    local name = F.list_of(id, row)
    if S.heads and S.heads[name].id == id then
      local next_one = F.range('ZRANGEBYLEX', LISTS, '[' .. name, '[' .. name .. C.PAST_MEMBERS,
        'LIMIT', 0, 1)[1]
      S.heads[name] = next_one and F.read_head(next_one) or nil
    end
  else
    F.remove(NEWS, id)
  end
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

function F.tickets_of_list(name)
  local found = F.range('ZRANGEBYLEX', LISTS, '[' .. name, '[' .. name .. C.PAST_MEMBERS)
  local owner = sub(name, 41, 48)
  for at, member in ipairs(found) do found[at] = owner .. sub(member, C.LIST_NAME + 9) end
  return found
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
