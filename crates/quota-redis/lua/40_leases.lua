-- Slots in use, by id and by the moment each runs out. Counting is by identity (Q3).

C.LEASE_FORMAT = '<dddI4BBI4c0I4c0'

-- `since` is -1 for a lease that was re-asserted; the moment each runs out is its score only.

function F.lease_of(id)
  local row = S.leases[id]
  if row == nil then
    local packed = S.pool.leases > 0 and call('HGET', K.LEASES, id)
    row = false
    if packed then
      row = {}
      row.arrival, row.since, row.key_since, row.rotation, row.probes, row.claimed, row.key,
        row.model = struct.unpack(C.LEASE_FORMAT, packed)
      row.claimed = row.claimed == 1
    end
    S.leases[id] = row
  end
  return row
end

function F.save_lease(id, row)
  S.leases[id] = row
  call('HSET', K.LEASES, id, struct.pack(C.LEASE_FORMAT, row.arrival, row.since, row.key_since,
    row.rotation, row.probes, row.claimed and 1 or 0, #row.key, row.key, #row.model, row.model))
end

function F.insert_lease(id, row, ends)
  S.pool.leases = S.pool.leases + 1
  if row.claimed then S.pool.claimed = S.pool.claimed + 1 end
  F.save_lease(id, row)
  call('ZADD', K.ENDS, ends, id)
end

-- Ends a lease and its probes. False if there is none of that id.
function F.free(id)
  local row = F.lease_of(id)
  if not row then return false end
  S.leases[id] = false
  S.pool.leases = S.pool.leases - 1
  if row.claimed then S.pool.claimed = S.pool.claimed - 1 end
  call('HDEL', K.LEASES, id)
  call('ZREM', K.ENDS, id)
  F.release_probes(id, row)
  return row
end

-- Lets a lease live on and confirms it. `changed`: its row is to be written in any case.
function F.extend(id, row, changed)
  if not row.claimed then
    row.claimed = true
    S.pool.claimed = S.pool.claimed + 1
    changed = true
  end
  if changed then F.save_lease(id, row) end
  call('ZADD', K.ENDS, F.plus(S.now, S.ttl), id)
end

-- Whether a slot is free: the only gate to a grant (Q1).
function F.has_free_slot()
  return S.pool.leases < S.limits.concurrency
end

function F.leases_of_router(one)
  local own = {}
  if S.pool.leases == 0 then return own end
  for _, id in ipairs(call('HKEYS', K.LEASES)) do
    if F.owner_of(id) == one then own[#own + 1] = id end
  end
  return own
end
