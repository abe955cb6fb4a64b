-- Slots in use, by id and by the moment each runs out. Counting is by identity (Q3).

-- `since` is -1 for a lease that was re-asserted; the moment each runs out is its score only.
function F.end_at(id, ends)
  F.enter(ENDS, ends, id)
  if ends < S.pool.end_at then S.pool.end_at = ends end
end

function F.insert_lease(id, row, ends)
  local pool, leases = S.pool, S.leases
  pool.leases = pool.leases + 1
  if row.claimed then pool.claimed = pool.claimed + 1 end
  -- Looked at first, so that its other half is known.
  if leases[id] == nil then F.look_at(id) end
  leases[id], S.changed[id] = row, true
  if S.limits.leeway > 0 then F.count_key(row.key, 1) end
  F.end_at(id, ends)
end

-- Ends a lease and its probes. False if there is none of that id.
function F.free(id)
  local row, pool = F.lease_of(id), S.pool
  if not row then return false end
  pool.leases = pool.leases - 1
  if row.claimed then pool.claimed = pool.claimed - 1 end
  if pool.leases == 0 then pool.end_at = C.MAX end
  S.leases[id], S.changed[id] = false, true
  if S.limits.leeway > 0 then F.count_key(row.key, -1) end
  F.enter(ENDS, false, id)
  if row.probes > 0 then F.release_probes(id, row) end
  return row
end

-- Lets a lease live on and confirms it.
function F.extend(id, row)
  if not row.claimed then
    row.claimed, S.changed[id] = true, true
    S.pool.claimed = S.pool.claimed + 1
  end
  F.end_at(id, F.plus(S.now, S.ttl))
end

-- Its router is told of it, perhaps again: from then on the slot is in use.
function F.tell_lease(id, row)
  if row.since >= 0 then row.since, S.changed[id] = S.now, true end
end

-- When the next lease runs out.
function F.next_end()
  S.pool.end_at = F.first_score(ENDS, '-inf')
  return S.pool.end_at
end

-- Whether a slot is free: the only gate to a grant (Q1).
function F.has_free_slot()
  return S.pool.leases < S.limits.concurrency
end
