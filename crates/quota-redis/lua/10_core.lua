-- The numbers of a pool, read and written once per batch, and its limits.

C.CORE_FORMAT = '<dddddddddddddddddddBBI2c0I4c0I2c0'

-- In declared order. `generation` of eight zero bytes: nobody has set limits.
C.NO_LIMITS = { generation = C.ZEROS, hash = C.ZEROS, concurrency = 0, buffer = 0, leeway = 0, names = {},
  weights = {}, places = {}, blob = false }

function F.parse_limits(blob)
  local parts = cmsgpack.unpack(blob)
  local limits = { generation = parts[1], hash = parts[2], concurrency = parts[3],
    buffer = parts[4], names = parts[5], weights = parts[6], leeway = parts[7] or 0, places = {}, blob = blob }
  for at, name in ipairs(limits.names) do limits.places[name] = at end
  return limits
end

function F.is_unset()
  return S.limits.generation == C.ZEROS
end

function F.set_empty()
  S.limits, S.lags, S.router_rows, S.grace = C.NO_LIMITS, {}, '', false
  S.debts, S.busy = {}, {}
  -- Moments and counts by name; `called` is nil for a pool found empty, `mean` before any hold. No
  -- lease runs out before `end_at`, no deadline passes before `deadline_at`. Nobody spoke between
  -- `silent_from` and `silent_to`, for a claim limit or longer; -1: that is dealt with.
  -- `superseded`: digests of limits that were in force before these, the latest last.
  S.pool = { raw = 0, offset = 0, arrival = 0, session = 0, check_at = 0, claimed = 0, leases = 0, tickets = 0, listed = 0, delayed = 0, routers = 0, cooling = 0,
    end_at = C.MAX, deadline_at = C.MAX, silent_from = -1, silent_to = -1,
    superseded = '' }
  S.run, S.walk_text, S.walk = '', false, false
  S.unwell_text, S.unwell, S.rests = false, false, {}
end

-- Found empty: nothing that a lost or older state left behind may be believed.
function F.wipe()
  F.set_empty()
  S.leases, S.tickets = {}, {}
  call('DEL', unpack(ALL))
end

function F.run_of_server()
  return string.match(call('INFO', 'server'), 'run_id:(%x+)') or ''
end

-- Moments and counts are whole and never negative; anything else could grant without end. A moment
-- that never comes is one above all others.
function F.insist_on_counts(...)
  for at = 1, select('#', ...) do
    local count = select(at, ...)
    -- What is not a number, or without end, has no remainder that is 0.
    if count % 1 ~= 0 or count < 0 or count > C.MAX + 1 then
      error('a count of the pool is ' .. tostring(count))
    end
  end
end

-- The numbers of pools as they were written last, by the name of their rows, where functions live on:
-- what is read as it was written needs no second look.
local cores, cores_count = {}, 0

function F.is_own_core(core)
  return cores[ROWS] == core
end

function F.keep_core(core)
  if cores[ROWS] == nil then
    if cores_count >= C.PARSED_MAX then cores, cores_count = {}, 0 end
    cores_count = cores_count + 1
  end
  cores[ROWS] = core
end

function F.load_core()
  local core, limits, routers, unwell, line = F.read_rows()
  if not core then return F.set_empty() end
  local raw, offset, called, arrival, session, check_at, mean, claimed, leases, tickets, listed,
    delayed, routers_known, cooling, end_at, deadline_at, ends, silent_from, silent_to,
    in_grace, was_empty, run, awaited, superseded, at = read(C.CORE_FORMAT, core)
  if not F.is_own_core(core) then
    F.insist_on_counts(raw, offset, called, arrival, session, check_at, claimed, leases, tickets,
      listed, delayed, routers_known, cooling, end_at, deadline_at, ends, max(silent_from, 0),
      max(silent_to, 0))
  end
  S.pool = { raw = raw, offset = offset, called = called, arrival = arrival, session = session,
    check_at = check_at, mean = mean >= 0 and mean or nil, claimed = claimed, leases = leases,
    tickets = tickets, listed = listed, delayed = delayed, routers = routers_known,
    cooling = cooling, end_at = end_at, deadline_at = deadline_at, silent_from = silent_from,
    silent_to = silent_to, superseded = superseded }
  S.run = run
  S.packed_lags, S.router_rows = sub(core, at), routers or ''
  if #S.router_rows % C.ROUTER_SIZE ~= 0 then error('a part of a router\'s row') end
  S.unwell_text, S.walk_text = unwell, line
  if limits then S.limits = F.parsed(limits, F.parse_limits) end
  if in_grace == 1 then
    S.grace = { ends = ends, was_empty = was_empty == 1, awaited = {} }
    for one = 1, #awaited, 8 do S.grace.awaited[sub(awaited, one, one + 7)] = true end
  end
end

function F.pack_core()
  local awaited, ends, in_grace, was_empty = '', 0, 0, 0
  if S.grace then
    ends, in_grace, was_empty = S.grace.ends, 1, S.grace.was_empty and 1 or 0
    local ids = {}
    for one in pairs(S.grace.awaited) do ids[#ids + 1] = one end
    awaited = table.concat(ids)
  end
  local pool = S.pool
  return pack(C.CORE_FORMAT, pool.raw, pool.offset, pool.called, pool.arrival, pool.session,
    pool.check_at, pool.mean or -1, pool.claimed, pool.leases, pool.tickets, pool.listed,
    pool.delayed, pool.routers, pool.cooling, pool.end_at, pool.deadline_at, ends,
    pool.silent_from, pool.silent_to, in_grace, was_empty, #S.run, S.run,
    #awaited, awaited, #pool.superseded, pool.superseded)
    .. (S.lags and F.pack_lags() or S.packed_lags)
end

-- How far each key lags behind its share, by its place in the limits. Where the least busy is chosen also
-- how many grants it is owed, and how many slots it has in use.
function F.lags()
  if not S.lags then
    S.lags, S.debts, S.busy = cmsgpack.unpack(S.packed_lags)
    -- A version that knows of no leeway has written last.
    if S.limits.leeway > 0 and not S.busy then
      S.debts, S.busy = {}, {}
      for at = 1, #S.lags do S.debts[at], S.busy[at] = 0, 0 end
    end
  end
  return S.lags
end

function F.pack_lags()
  if S.limits.leeway == 0 then return cmsgpack.pack(S.lags) end
  return cmsgpack.pack(S.lags, S.debts, S.busy)
end

-- A slot with this key is in use from now on, or no longer: counted where the least busy is chosen.
function F.count_key(name, by)
  local place = S.limits.places[name]
  if not place then return end
  F.lags()
  S.busy[place] = max(S.busy[place] + by, 0)
end

-- The store's clock, kept from going back.
function F.advance()
  local raw = S.clock
  if raw < 0 then
    local time = call('TIME')
    raw = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  S.pool.offset = F.plus(S.pool.offset, max(S.pool.raw - raw, 0))
  S.pool.raw = raw
  S.now = F.plus(raw, S.pool.offset)
end

-- So many limits that were in force before the present ones are remembered.
C.SUPERSEDED_MAX = 16

-- Notes that the present limits are replaced.
function F.supersede(by)
  local kept = {}
  for at = 1, #S.pool.superseded, 8 do
    local one = sub(S.pool.superseded, at, at + 7)
    if one ~= by then kept[#kept + 1] = one end
  end
  kept[#kept + 1] = S.limits.hash
  S.pool.superseded = table.concat(kept, '', max(#kept - C.SUPERSEDED_MAX + 1, 1))
end

-- Puts new limits in force. Lags follow their keys by name; a new key starts at 0.
function F.put_limits(blob)
  if not F.is_unset() then F.supersede(F.parsed(blob, F.parse_limits).hash) end
  local before, had = S.limits.places, F.lags()
  local owed = S.debts or {}
  S.limits = F.parsed(blob, F.parse_limits)
  S.lags, S.debts, S.busy = {}, {}, {}
  local leeway = S.limits.leeway
  for at, name in ipairs(S.limits.names) do
    local place = before[name]
    S.lags[at], S.busy[at] = place and had[place] or 0, 0
    S.debts[at] = max(min(place and owed[place] or 0, leeway), -leeway)
  end
  if leeway > 0 then
    for _, id in ipairs(F.ids_of_router(nil)) do
      local lease = F.lease_of(id)
      if lease then F.count_key(lease.key, 1) end
    end
  end
  call('HSET', ROWS, 'limits', blob)
end

-- How fast slots come free.
function F.record(hold)
  local pool = S.pool
  local mean = pool.mean
  pool.mean = mean and mean + (hold - mean) * 0.125 or hold
end

-- Expected wait behind `ahead` others; -1 before anything was measured.
function F.wait_of(ahead)
  if not S.pool.mean then return -1 end
  return floor(S.pool.mean * (ahead + 1) / max(S.limits.concurrency, 1))
end

function F.retry_after()
  local wait = F.wait_of(0)
  if wait < 0 then return 1000000 end
  return wait
end
