-- Who speaks to the pool: sessions, sequences, silence, and news not yet acknowledged.

-- All rows stand in one text: incarnation, session, sequence, heard, lapsed.
C.ROUTER_FORMAT = '<c8c8ddB'
C.ROUTER_SIZE = 33
C.PAST_NUMBERS = '\255\255\255\255\255\255\255\255'

function F.read_router(at)
  local one, session, sequence, heard, lapsed = read(C.ROUTER_FORMAT, S.router_rows, at)
  return { session = session, sequence = sequence, heard = heard, lapsed = lapsed == 1,
    changed = false }, one
end

function F.pack_router(one, row)
  return pack(C.ROUTER_FORMAT, one, row.session, row.sequence, row.heard, row.lapsed and 1 or 0)
end

-- Where a router's row begins, or nil.
function F.find_router(one)
  local at = 0
  repeat
    at = string.find(S.router_rows, one, at + 1, true)
  until not at or at % C.ROUTER_SIZE == 1
  return at
end

function F.router_of(one)
  local row = S.routers[one]
  if row == nil then
    local at = not S.all_routers_read and F.find_router(one)
    row = at and F.read_router(at) or false
    S.routers[one] = row
  end
  return row
end

function F.read_all_routers()
  if S.all_routers_read then return end
  for at = 1, #S.router_rows, C.ROUTER_SIZE do
    local row, one = F.read_router(at)
    if S.routers[one] == nil then S.routers[one] = row end
  end
  S.all_routers_read = true
end

-- The text as it is to be from now on.
function F.pack_routers()
  if S.all_routers_read then
    local rows = {}
    for one, row in pairs(S.routers) do
      if row then rows[#rows + 1] = F.pack_router(one, row) end
    end
    return table.concat(rows)
  end
  local text = S.router_rows
  for one, row in pairs(S.routers) do
    if row and row.changed then
      local at = F.find_router(one)
      if at then
        text = sub(text, 1, at - 1) .. F.pack_router(one, row) .. sub(text, at + C.ROUTER_SIZE)
      else
        text = text .. F.pack_router(one, row)
      end
    end
  end
  return text
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
    S.pool.session = max(S.now, S.pool.session + 1)
    S.session, S.sequence = pack('>I8', S.pool.session), 0
  end
  local row = F.router_of(S.router)
  if not row then
    row = { session = false, sequence = 0, heard = 0, lapsed = false, changed = true }
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
      oldest = min(oldest, row.heard)
    end
  end
  for _, one in ipairs(silent) do
    S.routers[one] = false
    S.pool.routers = S.pool.routers - 1
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
  F.enter(NEWS, 0, id)
  if owner == S.router then return end
  for _, one in ipairs(S.rung) do
    if one == owner then return end
  end
  S.rung[#S.rung + 1] = owner
end

function F.news()
  if S.pool.tickets == S.pool.listed + S.pool.delayed then return {} end
  return F.range('ZRANGEBYLEX', NEWS, '[' .. S.router, '[' .. S.router .. C.PAST_NUMBERS)
end
