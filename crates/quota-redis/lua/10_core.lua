-- The numbers of a pool, read and written once per batch, and its limits.

C.CORE_FORMAT = '<ddddddddddddddBBBB'

function F.place_keys()
  S.limits.places = {}
  for at, name in ipairs(S.limits.names) do S.limits.places[name] = at end
end

function F.read_limits(blob)
  local parts = cmsgpack.unpack(blob)
  S.limits = { generation = parts[1], hash = parts[2], concurrency = parts[3], buffer = parts[4],
    names = parts[5], weights = parts[6], blob = blob }
  F.place_keys()
end

function F.is_unset()
  return S.limits.generation == C.ZEROS
end

function F.set_empty()
  -- In declared order. `generation` of eight zero bytes: nobody has set limits.
  S.limits = { generation = C.ZEROS, hash = C.ZEROS, concurrency = 0, buffer = 0, names = {},
    weights = {}, places = {}, blob = false }
  S.lags = {}
  -- Who has yet to restate, while a grace is on: a set of routers. `nil`: no grace.
  S.grace = nil
  -- Moments and counts by name; `called` is nil for a pool found empty, `mean` before any hold.
  S.pool = { raw = 0, offset = 0, arrival = 0, session = 0, check_at = 0, claimed = 0, leases = 0,
    tickets = 0, listed = 0, routers = 0, cooling = 0, recheck = false, run = '' }
end

-- Found empty: nothing that a lost or older state left behind may be believed.
function F.wipe()
  F.set_empty()
  call('DEL', unpack(K.ALL))
end

function F.run_of_server()
  return string.match(call('INFO', 'server'), 'run_id:(%x+)') or ''
end

function F.load_core()
  F.set_empty()
  local found = call('MGET', K.CORE, K.LIMITS)
  if not found[1] then return end
  local ends, has_limits, recheck, in_grace, was_empty, at
  local pool = S.pool
  pool.raw, pool.offset, pool.called, pool.arrival, pool.session, pool.check_at, pool.mean,
    pool.claimed, pool.leases, pool.tickets, pool.listed, pool.routers, pool.cooling, ends,
    has_limits, recheck, in_grace, was_empty, at = struct.unpack(C.CORE_FORMAT, found[1])
  -- Something was evicted: what is left cannot be trusted.
  if (has_limits == 1) ~= (found[2] ~= false) then return F.wipe() end
  local awaited
  S.pool.run, awaited, S.lags = unpack(cmsgpack.unpack(string.sub(found[1], at)))
  S.pool.recheck = recheck == 1
  if S.pool.mean < 0 then S.pool.mean = nil end
  if found[2] then F.read_limits(found[2]) end
  if in_grace == 1 then
    S.grace = { ends = ends, was_empty = was_empty == 1, awaited = {} }
    for _, one in ipairs(awaited) do S.grace.awaited[one] = true end
  end
end

function F.save_core()
  local awaited, ends, in_grace, was_empty = {}, 0, 0, 0
  if S.grace then
    ends, in_grace, was_empty = S.grace.ends, 1, S.grace.was_empty and 1 or 0
    for one in pairs(S.grace.awaited) do awaited[#awaited + 1] = one end
  end
  local pool = S.pool
  local numbers = struct.pack(C.CORE_FORMAT, pool.raw, pool.offset, pool.called, pool.arrival,
    pool.session, pool.check_at, pool.mean or -1, pool.claimed, pool.leases, pool.tickets,
    pool.listed, pool.routers, pool.cooling, ends, F.is_unset() and 0 or 1, pool.recheck and 1 or 0,
    in_grace, was_empty)
  call('SET', K.CORE, numbers .. cmsgpack.pack({ S.pool.run, awaited, S.lags }))
end

-- The store's clock, kept from going back.
function F.advance()
  local raw = S.clock
  if raw < 0 then
    local time = call('TIME')
    raw = tonumber(time[1]) * 1000000 + tonumber(time[2])
  end
  S.pool.offset = F.plus(S.pool.offset, math.max(S.pool.raw - raw, 0))
  S.pool.raw = raw
  S.now = F.plus(raw, S.pool.offset)
end

-- Puts new limits in force. Lags follow their keys by name; a new key starts at 0.
function F.put_limits(blob)
  local before, had = S.limits.places, S.lags
  F.read_limits(blob)
  S.lags = {}
  for at, name in ipairs(S.limits.names) do
    local place = before[name]
    S.lags[at] = place and had[place] or 0
  end
  call('SET', K.LIMITS, blob)
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
  return math.floor(S.pool.mean * (ahead + 1) / math.max(S.limits.concurrency, 1))
end

function F.retry_after()
  local wait = F.wait_of(0)
  if wait < 0 then return 1000000 end
  return wait
end
