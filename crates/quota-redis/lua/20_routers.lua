-- Who speaks to the pool: sessions, sequences, silence, and news not yet acknowledged.

-- All rows stand in one text: incarnation, session, sequence, heard, lapsed (1) or greeted (2), and the
-- digest of the limits that it offered last.
C.ROUTER_FORMAT = '<c8c8ddBc8'
C.ROUTER_SIZE = 41
C.PAST_NUMBERS = '\255\255\255\255\255\255\255\255'

function F.read_router(at)
  local one, session, sequence, heard, state, limits = read(C.ROUTER_FORMAT, S.router_rows, at)
  return { session = session, sequence = sequence, heard = heard, lapsed = state % 2 == 1,
    greeted = state >= 2, limits = limits, changed = false }, one
end

function F.pack_router(one, row)
  return pack(C.ROUTER_FORMAT, one, row.session, row.sequence, row.heard,
    (row.lapsed and 1 or 0) + (row.greeted and 2 or 0), row.limits)
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

-- Whether nothing that was kept can go with this call: in a grace, or where one begins. A pool without
-- graces is one process's, which hears every reply.
function F.keeps_all()
  if not S.has_grace or S.grace and not F.is_grace_over() then return true end
  local gap = S.grace and S.claim_limit or floor(S.ttl / 2)
  return S.now - S.pool.called > gap
end

-- Whether the batch is of another session or of a sequence already seen, or of a router that was silent
-- for so long that what was kept for it may go with this call, although it was not forgotten yet; or a
-- hello from before the session in which its router has spoken since.
function F.is_stale()
  -- A pool without its core is empty, whatever else was left over.
  if not S.pool.called then return not S.is_hello end
  local row = F.router_of(S.router)
  if S.is_hello then return row and not row.greeted and S.heard < read('>I8', row.session) end
  return not row or row.session ~= S.session or S.sequence <= row.sequence
    or (F.plus(row.heard, S.ttl) <= S.now and not F.keeps_all())
end

-- Notes that the batch was accepted. When a router that says hello sent its last batch; nil if the
-- pool knows of none.
function F.hear()
  local row, is_hello = F.router_of(S.router), S.session == C.ZEROS
  local last_words = row and is_hello and not row.greeted and row.heard or nil
  S.pool.caller_was_silent = row and S.now - row.heard > floor(S.ttl / 2)
  if is_hello then
    S.pool.session = max(S.now, S.pool.session + 1)
    S.session, S.sequence = pack('>I8', S.pool.session), 0
  end
  if not row then
    row = { session = false, sequence = 0, heard = 0, lapsed = false, limits = C.ZEROS,
      changed = true }
    S.routers[S.router] = row
    S.pool.routers = S.pool.routers + 1
  end
  row.session, row.sequence, row.heard, row.changed = S.session, S.sequence, S.now, true
  row.greeted = is_hello
  return last_words
end

-- Whether that is a change.
function F.set_lapsed(one, lapsed)
  local row = F.router_of(one)
  if not row or row.lapsed == lapsed then return false end
  row.lapsed, row.changed = lapsed, true
  return true
end


-- Whether a router is handed nothing for now.
function F.is_skipped(one)
  local row = F.router_of(one)
  return not row or row.lapsed or row.greeted or S.now - row.heard >= S.claim_limit
end

-- Whether a router that is known is skipped.
function F.is_silent(one)
  return F.router_of(one) and F.is_skipped(one)
end

-- Routers silent for a lease's life; they are forgotten.
function F.forget_silent()
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

-- Routers that were heard within a claim limit before a silence, and not since; not the caller.
function F.silenced(from)
  F.read_all_routers()
  local silenced = {}
  for one, row in pairs(S.routers) do
    if row and one ~= S.router and row.heard <= from and F.plus(row.heard, S.claim_limit) > from then
      silenced[one] = true
    end
  end
  return silenced
end

-- The digests of all limits that came after these; nil if these were not superseded.
function F.newer_than(hash)
  local superseded, newer = S.pool.superseded, { [S.limits.hash] = true }
  for at = #superseded - 7, 1, -8 do
    local one = sub(superseded, at, at + 7)
    if one == hash then return newer end
    newer[one] = true
  end
  return nil
end

-- Whether a router is there whose own limits came after these (Q15). One that had such itself has read
-- these later; `had`: what it had.
function F.is_outdated(hash, had, is_again)
  local newer = F.newer_than(hash)
  if not newer and is_again and not F.is_unset() then newer = { [S.limits.hash] = true } end
  if not newer or (not is_again and newer[had]) then return false end
  -- Whoever has newer ones may not have been heard since either.
  if is_again and S.pool.caller_was_silent then return true end
  F.read_all_routers()
  for one, row in pairs(S.routers) do
    if row and one ~= S.router and F.plus(row.heard, S.ttl) > S.now and newer[row.limits] then
      return true
    end
  end
  return false
end

-- Forgets a router that is gone.
function F.forget_router(one)
  F.read_all_routers()
  S.routers[one] = false
  S.pool.routers = S.pool.routers - 1
end

-- Has a ticket mentioned on every reply to its router.
function F.tell(id)
  local owner = F.owner_of(id)
  F.enter(NEWS, 0, id)
  if owner == S.router then
    S.news[id] = true
    return
  end
  for _, one in ipairs(S.rung) do
    if one == owner then return end
  end
  S.rung[#S.rung + 1] = owner
end

function F.untell(id)
  S.news[id] = nil
  F.remove(NEWS, id)
end

function F.told_member(id, sequence)
  return id .. pack('>I8', sequence)
end

-- Has a ticket of the caller mentioned that this batch has claimed for it, until it has heard that.
function F.tell_claimed(id)
  local before, walk = S.told[id], F.walk()
  if before then
    F.remove(NEWS, F.told_member(id, before))
  else
    walk.told, walk.changed = walk.told + 1, true
  end
  S.told[id] = S.sequence
  F.enter(NEWS, 0, F.told_member(id, S.sequence))
end

-- Reads what is to be mentioned to the caller, and mentions no more what it has heard.
function F.read_news()
  local pool, walk = S.pool, F.walk()
  if pool.tickets == pool.listed + pool.delayed + walk.resting and walk.told == 0 then return end
  local most = S.router .. C.PAST_NUMBERS .. C.PAST_NUMBERS
  for _, member in ipairs(F.range('ZRANGEBYLEX', NEWS, '[' .. S.router, '[' .. most)) do
    local id = sub(member, 1, 16)
    if #member == 16 then
      S.news[id] = true
    else
      local sequence = read('>I8', member, 17)
      if S.is_hello or sequence <= S.heard then
        F.remove(NEWS, member)
        walk.told, walk.changed = walk.told - 1, true
      else
        S.told[id] = sequence
      end
    end
  end
end

-- Mentions nothing more to a router that is gone; its tickets are gone already.
function F.forget_told(one)
  local walk = F.walk()
  if walk.told == 0 then return end
  local most = one .. C.PAST_NUMBERS .. C.PAST_NUMBERS
  walk.told = walk.told - F.range('ZREMRANGEBYLEX', NEWS, '[' .. one, '[' .. most)
  walk.changed = true
end

-- Ids to be mentioned to the caller, in their order.
function F.ids_of_news()
  local ids = {}
  for id in pairs(S.news) do ids[#ids + 1] = id end
  for id in pairs(S.told) do
    if not S.news[id] then ids[#ids + 1] = id end
  end
  table.sort(ids, F.id_less)
  return ids
end
