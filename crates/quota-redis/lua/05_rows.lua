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

-- An entry is what is known of an id: a ticket, a lease, or a ticket that was handed its lease.
C.LEASE_FORMAT = '<dddI4BBI4c0I4c0'
C.TICKET_FORMAT = '<dddBBBc40'

function F.read_entry(packed)
  if not packed then return false end
  local entry, kinds, at = { lease = false, ticket = false }, byte(packed), 2
  if kinds % 2 == 1 then
    local row = {}
    row.arrival, row.since, row.key_since, row.rotation, row.probes, row.claimed, row.key,
      row.model, at = read(C.LEASE_FORMAT, packed, at)
    row.claimed = row.claimed == 1
    entry.lease = row
  end
  if kinds >= 2 then
    local row = {}
    row.arrival, row.deadline, row.ends, row.waits, row.stage, row.reason, row.class =
      read(C.TICKET_FORMAT, packed, at)
    entry.ticket = row
  end
  return entry
end

function F.pack_entry(entry)
  local lease, ticket, kinds = '', '', 0
  local row = entry.lease
  if row then
    kinds = 1
    lease = pack(C.LEASE_FORMAT, row.arrival, row.since, row.key_since, row.rotation, row.probes,
      row.claimed and 1 or 0, #row.key, row.key, #row.model, row.model)
  end
  row = entry.ticket
  if row then
    kinds = kinds + 2
    ticket = pack(C.TICKET_FORMAT, row.arrival, row.deadline, row.ends, row.waits, row.stage,
      row.reason, row.class)
  end
  return string.char(kinds) .. lease .. ticket
end

function F.entry_of(id)
  local entry = S.entries[id]
  if entry == nil then
    entry = S.pool.leases + S.pool.tickets > 0 and F.read_entry(call('HGET', K.ROWS, id))
    S.entries[id] = entry
  end
  return entry
end

-- Sets or, with false, takes out one half of an entry.
function F.put(id, half, row)
  local entry = F.entry_of(id)
  if not entry then
    entry = { lease = false, ticket = false }
    S.entries[id] = entry
  end
  entry[half] = row
  if not entry.lease and not entry.ticket then S.entries[id] = false end
  S.changed[id] = true
end

-- Reads the entries of ids at once.
function F.fetch(ids)
  for from = 1, #ids, C.ARGUMENTS_MAX do
    local found = call('HMGET', K.ROWS, unpack(ids, from, min(from + C.ARGUMENTS_MAX - 1, #ids)))
    for at, packed in ipairs(found) do
      local id = ids[from + at - 1]
      if S.entries[id] == nil then S.entries[id] = F.read_entry(packed) end
    end
  end
end

-- Ids of a router, of whatever kind: a look at all of the pool.
function F.ids_of_router(one)
  local own, unread, is_known = {}, {}, {}
  if S.pool.leases + S.pool.tickets == 0 then return own end
  for id in pairs(S.entries) do
    if F.owner_of(id) == one then own[#own + 1], is_known[id] = id, true end
  end
  for _, id in ipairs(call('HKEYS', K.ROWS)) do
    if #id == 16 and F.owner_of(id) == one and not is_known[id] then
      own[#own + 1], unread[#unread + 1] = id, id
    end
  end
  F.fetch(unread)
  return own
end

-- The ids that the commands of a batch name.
function F.named_ids()
  local ids = {}
  for _, c in ipairs(S.commands) do
    local verb, id, next_one = c[1], c[2], nil
    if verb == 2 then
      id = id[1]
    elseif verb == 4 then
      next_one = c[4]
    elseif verb == 5 then
      next_one = c[6]
    elseif verb == 7 then
      for _, held in ipairs(c[2]) do ids[#ids + 1] = S.router .. held[1] end
    end
    if verb ~= 1 and verb ~= 7 and verb ~= 9 then ids[#ids + 1] = S.router .. id end
    if next_one then ids[#ids + 1] = S.router .. next_one[1] end
  end
  return ids
end

-- Reads the pool: the rows that every batch needs, and those of the ids that it names.
function F.read_rows()
  local ids = F.named_ids()
  local first = min(#ids, C.ARGUMENTS_MAX)
  local found = call('HMGET', K.ROWS, 'core', 'limits', 'routers', unpack(ids, 1, first))
  if found[1] then
    for at = 1, first do S.entries[ids[at]] = F.read_entry(found[at + 3]) end
    if first < #ids then F.fetch(ids) end
  end
  return found[1], found[2], found[3]
end

function F.write_rows(core, routers)
  local set, gone, sets, removals = { 'core', core, 'routers', routers }, {}, 4, 0
  for id in pairs(S.changed) do
    local entry = S.entries[id]
    if entry then
      set[sets + 1], set[sets + 2] = id, F.pack_entry(entry)
      sets = sets + 2
    else
      removals = removals + 1
      gone[removals] = id
    end
  end
  for digest in pairs(S.changed_classes) do
    local holds = S.holds[digest]
    if holds > 0 then
      set[sets + 1], set[sets + 2] = digest, pack('<d', holds) .. S.classes[digest].blob
      sets = sets + 2
    else
      removals = removals + 1
      gone[removals] = digest
    end
  end
  if removals > 0 then F.send('HDEL', K.ROWS, gone, removals) end
  F.send('HSET', K.ROWS, set, sets)
  for key in pairs(S.pending) do F.flush(key) end
end
