-- Who speaks to the pool: sessions, sequences, silence, and news not yet acknowledged.

C.ROUTER_FORMAT = '<c8ddB'

function F.read_router(packed)
  if not packed then return false end
  local row = {}
  row.session, row.sequence, row.heard, row.lapsed = struct.unpack(C.ROUTER_FORMAT, packed)
  row.lapsed = row.lapsed == 1
  return row
end

function F.router_of(one)
  local row = S.routers[one]
  if row == nil then
    row = F.read_router(not S.all_routers_read and call('HGET', K.ROUTERS, one))
    S.routers[one] = row
  end
  return row
end

function F.read_all_routers()
  if S.all_routers_read then return end
  local flat = call('HGETALL', K.ROUTERS)
  for at = 1, #flat, 2 do
    if S.routers[flat[at]] == nil then S.routers[flat[at]] = F.read_router(flat[at + 1]) end
  end
  S.all_routers_read = true
end

function F.save_routers()
  for one, row in pairs(S.routers) do
    if row and row.changed then
      local lapsed = row.lapsed and 1 or 0
      call('HSET', K.ROUTERS, one,
        struct.pack(C.ROUTER_FORMAT, row.session, row.sequence, row.heard, lapsed))
    end
  end
end

-- Whether the batch is of another session or of a sequence already seen.
function F.is_stale()
  if S.session == C.ZEROS then return false end
  -- A pool without its core is empty, whatever else was left over.
  if not S.pool.called then return true end
  local row = F.router_of(S.router)
  return not row or row.session ~= S.session or S.sequence <= row.sequence
end

-- Notes that the batch was accepted.
function F.hear()
  if S.session == C.ZEROS then
    S.pool.session = math.max(S.now, S.pool.session + 1)
    S.session, S.sequence = struct.pack('>I8', S.pool.session), 0
  end
  local row = F.router_of(S.router)
  if not row then
    row = { lapsed = false }
    S.routers[S.router] = row
    S.pool.routers = S.pool.routers + 1
  end
  row.session, row.sequence, row.heard, row.changed = S.session, S.sequence, S.now, true
end

function F.set_lapsed(one, lapsed)
  local row = F.router_of(one)
  if row and row.lapsed ~= lapsed then row.lapsed, row.changed = lapsed, true end
end

-- Whether a router is handed nothing for now.
function F.is_skipped(one)
  local row = F.router_of(one)
  return not row or row.lapsed or S.now - row.heard >= S.claim_limit
end

-- Routers silent for a lease's life; they are forgotten.
function F.forget_silent()
  if S.now < S.pool.check_at then return {} end
  F.read_all_routers()
  local silent, oldest = {}, S.now
  for one, row in pairs(S.routers) do
    if row and F.plus(row.heard, S.ttl) <= S.now then
      silent[#silent + 1] = one
    elseif row then
      oldest = math.min(oldest, row.heard)
    end
  end
  for _, one in ipairs(silent) do
    S.routers[one] = false
    S.pool.routers = S.pool.routers - 1
    call('HDEL', K.ROUTERS, one)
  end
  S.pool.check_at = F.plus(oldest, S.ttl)
  return silent
end

-- Routers heard within a lease's life before a moment.
function F.live_at(moment)
  F.read_all_routers()
  local live = {}
  for one, row in pairs(S.routers) do
    if row and F.plus(row.heard, S.ttl) > moment then live[one] = true end
  end
  return live
end

-- Has a ticket mentioned on every reply to its router.
function F.tell(id)
  local owner = F.owner_of(id)
  call('ZADD', K.NEWS, 0, id)
  if owner ~= S.router and not S.is_rung[owner] then
    S.is_rung[owner] = true
    S.rung[#S.rung + 1] = owner
  end
end

function F.untell(id)
  call('ZREM', K.NEWS, id)
end

function F.news()
  if S.pool.tickets == 0 then return {} end
  return call('ZRANGEBYLEX', K.NEWS, '[' .. S.router, '[' .. S.router .. string.rep('\255', 8))
end
