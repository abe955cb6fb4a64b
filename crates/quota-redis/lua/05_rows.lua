-- How rows are read and written: many with one command, and what is written waits for the end.

-- A command with more arguments is cut: Lua cannot pass as many as it likes.
C.ARGUMENTS_MAX = 2000

function F.send(command, key, list, count)
  if count <= C.ARGUMENTS_MAX then return call(command, key, unpack(list, 1, count)) end
  for from = 1, count, C.ARGUMENTS_MAX do
    call(command, key, unpack(list, from, min(from + C.ARGUMENTS_MAX - 1, count)))
  end
end

-- A sorted set is written when it is read, or at the end.
function F.enter(key, score, member)
  local pending = S.pending[key]
  if not pending then
    pending = {}
    S.pending[key] = pending
  end
  pending[member] = score
end

function F.remove(key, member)
  F.enter(key, false, member)
end

function F.flush(key)
  local pending = S.pending[key]
  if not pending then return end
  S.pending[key] = nil
  local added, removed, adds, removals = {}, {}, 0, 0
  for member, score in pairs(pending) do
    if score then
      added[adds + 1], added[adds + 2] = score, member
      adds = adds + 2
    else
      removals = removals + 1
      removed[removals] = member
    end
  end
  if removals > 0 then F.send('ZREM', key, removed, removals) end
  if adds > 0 then F.send('ZADD', key, added, adds) end
end

function F.range(command, key, ...)
  F.flush(key)
  return call(command, key, ...)
end

function F.first_score(key, above)
  local found = F.range('ZRANGEBYSCORE', key, above, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return tonumber(found[2]) or C.MAX + 1
end

-- Texts that are what they say, whichever call reads them: parsed once where functions live on.
-- What is made of one is not changed.
C.PARSED_MAX = 256
C.PARSED_LENGTH_MAX = 4096
local parsed, parsed_count = {}, 0

function F.keep_parsed(text, found, length)
  if length <= C.PARSED_LENGTH_MAX then
    if parsed_count >= C.PARSED_MAX then parsed, parsed_count = {}, 0 end
    parsed[text], parsed_count = found, parsed_count + 1
  end
  return found
end

function F.parsed(text, parse)
  return parsed[text] or F.keep_parsed(text, parse(text), #text)
end

-- What is known of an id stands in one row: a lease, a ticket, or a ticket and the lease that it was
-- handed.
C.LEASE_FORMAT = '<dddI4BBI4c0I4c0'
C.TICKET_FORMAT = '<dddBBBc40'

function F.read_id(id, packed)
  local lease, ticket = false, false
  if packed then
    local kinds, next_one = byte(packed), 2
    if kinds % 2 == 1 then
      local arrival, since, key_since, rotation, probes, claimed, key, model, at =
        read(C.LEASE_FORMAT, packed, next_one)
      next_one = at
      lease = { arrival = arrival, since = since, key_since = key_since, rotation = rotation,
        probes = probes, claimed = claimed == 1, key = key, model = model }
    end
    if kinds >= 2 then
      local arrival, deadline, ends, waits, stage, reason, class =
        read(C.TICKET_FORMAT, packed, next_one)
      ticket = { arrival = arrival, deadline = deadline, ends = ends, waits = waits, stage = stage,
        reason = reason, class = class }
    end
  end
  S.leases[id], S.tickets[id] = lease, ticket
end

-- The row of an id of which there is a lease, a ticket or both, as it is to be.
function F.pack_id(id)
  local lease, ticket, text = S.leases[id], S.tickets[id], ''
  if lease then
    local key, model = lease.key, lease.model
    text = pack(C.LEASE_FORMAT, lease.arrival, lease.since, lease.key_since, lease.rotation,
      lease.probes, lease.claimed and 1 or 0, #key, key, #model, model)
    if not ticket then return '\1' .. text end
  end
  return (lease and '\3' or '\2') .. text .. pack(C.TICKET_FORMAT, ticket.arrival, ticket.deadline,
    ticket.ends, ticket.waits, ticket.stage, ticket.reason, ticket.class)
end

function F.look_at(id)
  local may_be = S.pool.leases + S.pool.tickets > 0
  F.read_id(id, may_be and call('HGET', ROWS, id))
end

function F.lease_of(id)
  local row = S.leases[id]
  if row == nil then
    F.look_at(id)
    row = S.leases[id]
  end
  return row
end

function F.ticket_of(id)
  local row = S.tickets[id]
  if row == nil then
    F.look_at(id)
    row = S.tickets[id]
  end
  return row
end

-- Reads the rows of ids at once.
function F.fetch(ids)
  local unread = {}
  for _, id in ipairs(ids) do
    if S.leases[id] == nil then unread[#unread + 1] = id end
  end
  for from = 1, #unread, C.ARGUMENTS_MAX do
    local last = min(from + C.ARGUMENTS_MAX - 1, #unread)
    for at, packed in ipairs(call('HMGET', ROWS, unpack(unread, from, last))) do
      F.read_id(unread[from + at - 1], packed)
    end
  end
end

-- Ids of a router (nil: of all), of whatever kind: a look at all of the pool.
function F.ids_of_router(one)
  local own, unread, is_known = {}, {}, {}
  if S.pool.leases + S.pool.tickets == 0 then return own end
  for id in pairs(S.leases) do
    if not one or F.owner_of(id) == one then own[#own + 1], is_known[id] = id, true end
  end
  for _, id in ipairs(call('HKEYS', ROWS)) do
    local is_own = #id == 16 and (not one or F.owner_of(id) == one)
    if is_own and not is_known[id] then
      own[#own + 1], unread[#unread + 1] = id, id
    end
  end
  F.fetch(unread)
  return own
end

-- The ids that the commands of a batch name. From here on each of them is a whole id there, the caller's
-- router before the number.
function F.named_ids()
  local ids, count, router = {}, 0, S.router
  for _, c in ipairs(S.batch[2]) do
    local verb, next_one = c[1], nil
    if verb == 2 then
      local acquire, id = c[2], router .. c[2][1]
      acquire[1], ids[count + 1] = id, id
      count = count + 1
    elseif verb == 7 then
      for _, held in ipairs(c[2]) do
        local id = router .. held[1]
        held[1], ids[count + 1] = id, id
        count = count + 1
      end
    elseif verb == 9 then
      -- All that its router has is looked at: nothing to be read beforehand.
      for _, held in ipairs(c[2]) do held[1] = router .. held[1] end
      for _, acquire in ipairs(c[3]) do acquire[1] = router .. acquire[1] end
    elseif verb > 2 and verb < 9 then
      local id = router .. c[2]
      c[2], ids[count + 1] = id, id
      count = count + 1
      if verb == 4 then next_one = c[4] elseif verb == 5 then next_one = c[6] end
    end
    if next_one then
      next_one[1] = router .. next_one[1]
      count = count + 1
      ids[count] = next_one[1]
    end
  end
  return ids
end

-- Reads the pool: the rows that every batch needs, and those of the ids that it names.
function F.read_rows()
  local ids = F.named_ids()
  local first = min(#ids, C.ARGUMENTS_MAX)
  local found = call('HMGET', ROWS, 'core', 'limits', 'routers', 'unwell', 'line',
    unpack(ids, 1, first))
  if found[1] then
    for at = 1, first do F.read_id(ids[at], found[at + 5]) end
    if first < #ids then F.fetch(ids) end
  end
  return found[1], found[2], found[3], found[4], found[5]
end

function F.write_rows(core, routers)
  local set, gone, sets, removals = { 'core', core, 'routers', routers }, {}, 4, 0
  local leases, tickets = S.leases, S.tickets
  for id in pairs(S.changed) do
    local row = (leases[id] or tickets[id]) and F.pack_id(id)
    if row then
      set[sets + 1], set[sets + 2] = id, row
      sets = sets + 2
    else
      removals = removals + 1
      gone[removals] = id
    end
  end
  for digest, held in pairs(S.classes) do
    if held.changed and held.tickets > 0 then
      set[sets + 1], set[sets + 2] = digest, pack('<d', held.tickets) .. held.class.blob
      sets = sets + 2
    elseif held.changed then
      removals = removals + 1
      gone[removals] = digest
    end
  end
  local line = F.pack_walk()
  if line then
    set[sets + 1], set[sets + 2] = 'line', line
    sets = sets + 2
  end
  local unwell = F.write_rests()
  if unwell then
    set[sets + 1], set[sets + 2] = 'unwell', unwell
    sets = sets + 2
  elseif S.unwell_text then
    removals = removals + 1
    gone[removals] = 'unwell'
  end
  if removals > 0 then F.send('HDEL', ROWS, gone, removals) end
  F.send('HSET', ROWS, set, sets)
  F.keep_core(core)
  for key in pairs(S.pending) do F.flush(key) end
end
