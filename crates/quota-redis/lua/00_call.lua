-- One batch of one router for one pool, as one atomic step: `weir_quota::Machine::execute` in Lua.
--
-- keys   the pool's names, all in one hash tag, in the order of the names below.
-- args   [1] who speaks and the protocol's times, as `C.HEAD_FORMAT` says; [2] classes and commands,
--        msgpack; both as `src/batch.rs` writes them; [3] the bell's channel; [4] the pool's name.
-- reply  'stale', or packed the fields that `src/reply.rs` reads.
--
-- Order: read, refuse a stale session before anything is written (Q8), grace, sweep, hand out, then
-- the commands in order, handing out after each. The machine is the truth: same names, same order
-- of floating-point operations. Ids are strings of 16 bytes, router before number, big-endian, so
-- that byte order is the machine's order. Moments are microseconds below 2^53, exact in a double.
-- Names of the machine's `until` are `ends` here: `until` is a word of Lua.

-- This text is loaded once, where the server has functions, and runs for many pools then. C and F
-- are constants and functions, never changed after that. All that a call knows is in S, and S, the
-- pool's names and `call` are set anew by each: what one call leaves in them, an error included, no
-- other sees.
local C, F = {}, {}
local S
local ALL, ROWS, ENDS, DEADLINES, DELAYED, ORDER, RESTING, MODELS, NEWS, COOLDOWNS, RESTS, IDLE, MISSING, NOTES
-- While a text is loaded a server has no libraries to call, `string` neither.
local call, sub, byte, pack, read, floor, max, min

C.MAX = 9007199254740991
C.ZEROS = '\0\0\0\0\0\0\0\0'
-- Router, session, sequence, sequence of the last reply heard, its past (1: it served its share until now;
-- 2: it knows the pool), the store's clock or -1, check the run, times, has grace.
C.HEAD_FORMAT = '<c8c8ddBdBdddB'

function F.begin(keys, args)
  call, sub, byte, pack, read = redis.call, string.sub, string.byte, struct.pack, struct.unpack
  floor, max, min = math.floor, math.max, math.min
  ALL = keys
  ROWS, ENDS, DEADLINES, DELAYED, ORDER, RESTING, MODELS, NEWS, COOLDOWNS, RESTS, IDLE, MISSING, NOTES =
    unpack(keys)

  local router, session, sequence, heard, past, clock, check_run, ttl, claim_limit, max_cooldown,
    has_grace = read(C.HEAD_FORMAT, args[1])
  S = {
    args = args, router = router, session = session, sequence = sequence, heard = heard,
    is_hello = session == C.ZEROS,
    past = past, clock = clock, check_run = check_run == 1, ttl = ttl,
    claim_limit = claim_limit, max_cooldown = max_cooldown, has_grace = has_grace == 1,
    -- Classes, by what commands name them by, and the commands.
    batch = cmsgpack.unpack(args[2]),
    -- Pool time of this call, and the other routers that have news; the caller's own: ids, and by id
    -- the batch that claimed it.
    now = 0, rung = {}, news = {}, told = {},
    -- Numbers, run of the server, limits, lags as they are packed and once they are needed, rows of
    -- routers packed.
    pool = false, run = '', limits = C.NO_LIMITS, packed_lags = false, lags = false,
    debts = false, busy = false,
    router_rows = '',
    -- What is yet to be looked at of those that wait, and of how many more; who waits for what.
    walk_text = false, walk = false, walk_left = 0, look_left = 0, thaw_left = 0,
    -- Scopes that may be granted again, and whether another may not be any more.
    opened = {}, has_closed = false,
    -- Who has yet to restate, while a grace is on: a set of routers.
    grace = false,
    -- Rows as far as they were looked at; false where there is none. By incarnation, id, id;
    -- classes that tickets hold by digest.
    routers = {}, all_routers_read = false, leases = {}, tickets = {}, classes = {},
    -- What rests: numbers, keys and endpoint, by model.
    unwell_text = false, unwell = false, rests = {},
    -- What is to be written: ids; of sorted sets scores by member.
    changed = {}, pending = {},
    -- The first ids in line, once asked for.
    line = false,
  }
end

function F.plus(a, b)
  local sum = a + b
  if sum > C.MAX then return C.MAX end
  return sum
end

-- The time from now to a moment, 0 if it has passed.
function F.from_now(moment)
  if moment <= S.now then return 0 end
  return moment - S.now
end

-- A score that itself is left out of a range. Joined numbers would keep 14 digits only.
function F.beyond(score)
  return string.format('(%.17g', score)
end

function F.owner_of(id)
  return sub(id, 1, 8)
end

-- Strings are not compared with `<`: that follows the server's locale.
function F.id_less(a, b)
  if a == b then return false end
  for at = 1, 16 do
    local left, right = byte(a, at), byte(b, at)
    if left ~= right then return left < right end
  end
  return false
end

-- Place in the order of arrival; the id settles ties.
function F.place_less(arrival, id, other_arrival, other_id)
  if arrival ~= other_arrival then return arrival < other_arrival end
  return F.id_less(id, other_id)
end
