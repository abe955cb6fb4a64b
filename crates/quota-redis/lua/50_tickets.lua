-- Everything that waits, and what it can use. Listed tickets stand twice: in the order of arrival
-- of all (for places), and by list, where the first of each list costs one look (Q5).

C.TICKET_FORMAT = '<dddBBBc40'
C.WAITS_DELAY, C.WAITS_SLOT, C.WAITS_CLAIM, C.WAITS_LEAVE = 1, 2, 3, 4
-- A list's name: digest of the class, owner, readiness to wait; then arrival and number.
C.LIST_NAME = 40 + 8 + 1
C.PAST_MEMBERS = '\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255\255'

-- A class is its packed text: model, operation, keys. One that no ticket holds leaves no trace.
function F.class_of_blob(blob)
  local class = S.classes_by_blob[blob]
  if not class then
    local parts = cmsgpack.unpack(blob)
    class = { blob = blob, model = parts[1], keys = parts[3] }
    S.classes_by_blob[blob] = class
  end
  return class
end

-- The class that a command names by its place in the batch.
function F.class_of_batch(at)
  return F.class_of_blob(S.class_blobs[at])
end

function F.class_of_digest(digest)
  local class = S.classes_by_digest[digest]
  if not class then
    local row = call('HGET', K.CLASSES, digest)
    class = F.class_of_blob(string.sub(row, 9))
    class.digest, class.tickets = digest, struct.unpack('<d', row)
    S.classes_by_digest[digest] = class
  end
  return class
end

-- Counts tickets of a class in or out.
function F.hold_class(class, by)
  if not class.digest then
    local digest = redis.sha1hex(class.blob)
    local row = call('HGET', K.CLASSES, digest)
    class.digest, class.tickets = digest, row and struct.unpack('<d', row) or 0
    S.classes_by_digest[digest] = class
  end
  class.tickets, class.changed = class.tickets + by, true
end

function F.save_classes()
  for digest, class in pairs(S.classes_by_digest) do
    if class.changed and class.tickets > 0 then
      call('HSET', K.CLASSES, digest, struct.pack('<d', class.tickets) .. class.blob)
    elseif class.changed then
      call('HDEL', K.CLASSES, digest)
    end
  end
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

function F.ticket_of(id)
  local row = S.tickets[id]
  if row == nil then
    local packed = S.pool.tickets > 0 and call('HGET', K.TICKETS, id)
    row = false
    if packed then
      row = {}
      row.arrival, row.deadline, row.ends, row.waits, row.stage, row.reason, row.class =
        struct.unpack(C.TICKET_FORMAT, packed)
    end
    S.tickets[id] = row
  end
  return row
end

function F.save_ticket(id, row)
  S.tickets[id] = row
  call('HSET', K.TICKETS, id, struct.pack(C.TICKET_FORMAT, row.arrival, row.deadline, row.ends,
    row.waits, row.stage, row.reason, row.class))
end

function F.list_of(id, row)
  return row.class .. F.owner_of(id) .. (row.waits == 1 and '1' or '0')
end

function F.member_of(id, row)
  return F.list_of(id, row) .. struct.pack('>I8', row.arrival) .. string.sub(id, 9)
end

-- Reads a list's first ticket, from a member of it.
function F.read_head(member)
  local owner = string.sub(member, 41, 48)
  return { class = F.class_of_digest(string.sub(member, 1, 40)), owner = owner,
    name = string.sub(member, 1, C.LIST_NAME), waits = string.byte(member, C.LIST_NAME) == 49,
    arrival = struct.unpack('>I8', member, C.LIST_NAME + 1),
    id = owner .. string.sub(member, C.LIST_NAME + 9) }
end

-- Hops from list to list.
function F.read_heads()
  if S.heads then return S.heads end
  S.heads = {}
  local from = '-'
  while S.pool.listed > 0 do
    local member = call('ZRANGEBYLEX', K.LISTS, from, '+', 'LIMIT', 0, 1)[1]
    if not member then break end
    local head = F.read_head(member)
    S.heads[head.name] = head
    from = '(' .. head.name .. C.PAST_MEMBERS
  end
  return S.heads
end

function F.enter_stage(id, row)
  if row.stage == C.WAITS_DELAY then
    call('ZADD', K.DELAYED, row.ends, id)
  elseif row.stage == C.WAITS_SLOT then
    local member = F.member_of(id, row)
    call('ZADD', K.ORDER, row.arrival, id)
    call('ZADD', K.LISTS, 0, member)
    S.pool.listed = S.pool.listed + 1
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
    call('ZREM', K.DELAYED, id)
  elseif row.stage == C.WAITS_SLOT then
    call('ZREM', K.ORDER, id)
    call('ZREM', K.LISTS, F.member_of(id, row))
    S.pool.listed = S.pool.listed - 1
    local name = F.list_of(id, row)
    if S.heads and S.heads[name].id == id then
      local next_one = call('ZRANGEBYLEX', K.LISTS, '[' .. name, '[' .. name .. C.PAST_MEMBERS,
        'LIMIT', 0, 1)[1]
      S.heads[name] = next_one and F.read_head(next_one) or nil
    end
  else
    F.untell(id)
  end
end

function F.insert_ticket(id, row)
  S.pool.tickets = S.pool.tickets + 1
  call('ZADD', K.DEADLINES, row.deadline, id)
  F.save_ticket(id, row)
  F.enter_stage(id, row)
end

function F.move_ticket(id, stage, ends, reason)
  local row = F.ticket_of(id)
  if not row then return end
  F.exit_stage(id, row)
  row.stage, row.ends, row.reason = stage, ends or -1, reason or 0
  F.save_ticket(id, row)
  F.enter_stage(id, row)
end

-- Takes a ticket out for good (Q9), in whatever stage it is; its lease stays.
function F.drop_ticket(id)
  local row = F.ticket_of(id)
  if not row then return end
  F.exit_stage(id, row)
  S.tickets[id] = false
  S.pool.tickets = S.pool.tickets - 1
  call('HDEL', K.TICKETS, id)
  call('ZREM', K.DEADLINES, id)
  F.hold_class(F.class_of_digest(row.class), -1)
end

function F.tickets_of_router(one)
  local own = {}
  if S.pool.tickets == 0 then return own end
  for _, id in ipairs(call('HKEYS', K.TICKETS)) do
    if F.owner_of(id) == one then own[#own + 1] = id end
  end
  return own
end

function F.tickets_of_list(name)
  local found = call('ZRANGEBYLEX', K.LISTS, '[' .. name, '[' .. name .. C.PAST_MEMBERS)
  local owner = string.sub(name, 41, 48)
  for at, member in ipairs(found) do found[at] = owner .. string.sub(member, C.LIST_NAME + 9) end
  return found
end

-- How many listed tickets arrived before this one.
function F.ahead_of(id, arrival)
  if S.pool.listed == 0 then return 0 end
  local rank = call('ZRANK', K.ORDER, id)
  if rank then return rank end
  local ahead = call('ZCOUNT', K.ORDER, '-inf', F.beyond(arrival))
  for _, other in ipairs(call('ZRANGEBYSCORE', K.ORDER, arrival, arrival)) do
    if F.id_less(other, id) then ahead = ahead + 1 end
  end
  return ahead
end
