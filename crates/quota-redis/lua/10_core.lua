-- The numbers of a pool, read and written once per batch, and its limits.

C.CORE_FORMAT = '<dddddddddddddddddBBB'

-- In declared order. `generation` of eight zero bytes: nobody has set limits.
C.NO_LIMITS = { generation = C.ZEROS, hash = C.ZEROS, concurrency = 0, buffer = 0, names = {},
  weights = {}, places = {}, blob = false }

function F.parse_limits(blob)
  local parts = cmsgpack.unpack(blob)
  local limits = { generation = parts[1], hash = parts[2], concurrency = parts[3],
    buffer = parts[4], names = parts[5], weights = parts[6], places = {}, blob = blob }
  for at, name in ipairs(limits.names) do limits.places[name] = at end
  return limits
end

function F.is_unset()
  return S.limits.generation == C.ZEROS
end

function F.set_empty()
  S.limits, S.lags, S.router_rows = C.NO_LIMITS, {}, ''
  -- Who has yet to restate, while a grace is on: a set of routers. `nil`: no grace.
  S.grace = nil
  -- Moments and counts by name; `called` is nil for a pool found empty, `mean` before any hold. No
  -- lease runs out before `end_at`, no deadline passes before `deadline_at`.
  S.pool = { raw = 0, offset = 0, arrival = 0, session = 0, check_at = 0, claimed = 0, leases = 0,
    tickets = 0, listed = 0, delayed = 0, routers = 0, cooling = 0, end_at = C.MAX,
    deadline_at = C.MAX, recheck = false, run = '' }
end

-- Found empty: nothing that a lost or older state left behind may be believed.
function F.wipe()
  F.set_empty()
  S.entries = {}
  call('DEL', unpack(K.ALL))
end

function F.run_of_server()
  return string.match(call('INFO', 'server'), 'run_id:(%x+)') or ''
end

function F.load_core()
  local core, limits, routers = F.read_rows()
  if not core then return F.set_empty() end
  local ends, recheck, in_grace, was_empty, at
  local pool = {}
  pool.raw, pool.offset, pool.called, pool.arrival, pool.session, pool.check_at, pool.mean,
    pool.claimed, pool.leases, pool.tickets, pool.listed, pool.delayed, pool.routers, pool.cooling,
    pool.end_at, pool.deadline_at, ends, recheck, in_grace, was_empty, at =
    read(C.CORE_FORMAT, core)
  S.pool, S.router_rows = pool, routers
  local awaited
  pool.run, awaited, S.lags = unpack(cmsgpack.unpack(sub(core, at)))
  pool.recheck = recheck == 1
  if pool.mean < 0 then pool.mean = nil end
  S.limits = limits and F.parsed(limits, F.parse_limits) or C.NO_LIMITS
  if in_grace == 1 then
    S.grace = { ends = ends, was_empty = was_empty == 1, awaited = {} }
    for _, one in ipairs(awaited) do S.grace.awaited[one] = true end
  end
end

function F.pack_core()
  local awaited, ends, in_grace, was_empty = {}, 0, 0, 0
  if S.grace then
    ends, in_grace, was_empty = S.grace.ends, 1, S.grace.was_empty and 1 or 0
    for one in pairs(S.grace.awaited) do awaited[#awaited + 1] = one end
  end
  local pool = S.pool
  local numbers = pack(C.CORE_FORMAT, pool.raw, pool.offset, pool.called, pool.arrival,
    pool.session, pool.check_at, pool.mean or -1, pool.claimed, pool.leases, pool.tickets,
    pool.listed, pool.delayed, pool.routers, pool.cooling, pool.end_at, pool.deadline_at, ends,
    pool.recheck and 1 or 0, in_grace, was_empty)
  return numbers .. cmsgpack.pack({ pool.run, awaited, S.lags })
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

-- Puts new limits in force. Lags follow their keys by name; a new key starts at 0.
function F.put_limits(blob)
  local before, had = S.limits.places, S.lags
  S.limits = F.parsed(blob, F.parse_limits)
  S.lags = {}
  for at, name in ipairs(S.limits.names) do
    local place = before[name]
    S.lags[at] = place and had[place] or 0
  end
  call('HSET', K.ROWS, 'limits', blob)
end

-- How fast slots come free.
function F.record(hold)
  if S.pool.mean then
    S.pool.mean = S.pool.mean + (hold - S.pool.mean) * 0.125
  else
    S.pool.mean = hold
  end
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
