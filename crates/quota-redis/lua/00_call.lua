-- One batch of one router for one pool, as one atomic step: `weir_quota::Machine::execute` in Lua.
--
-- KEYS  the pool's names, all in one hash tag, in the order of the locals below.
-- ARGV  [1] the batch, msgpack, as `src/batch.rs` writes it.
-- Reply {'stale'}, or the fields that `src/reply.rs` reads.
--
-- Order: read, refuse a stale session before anything is written (Q8), grace, sweep, hand out, then
-- the commands in order, handing out after each. The machine is the truth: same names, same order
-- of floating-point operations. Ids are strings of 16 bytes, router before number, big-endian, so
-- that byte order is the machine's order. Moments are microseconds below 2^53, exact in a double.
-- Names of the machine's `until` are `ends` here: `until` is a word of Lua.

-- Few locals, because a closure looks for each of its upvalues among all open ones: constants and
-- key names, functions, and what changes.
local call, C, F, S = redis.call, {}, {}, {}

C.CORE, C.LIMITS, C.ROUTERS, C.NEWS, C.LEASES, C.ENDS, C.TICKETS, C.ORDER, C.LISTS, C.DELAYED,
  C.DEADLINES, C.CLASSES, C.COOLDOWNS, C.RESTS = unpack(KEYS)

C.MAX = 9007199254740991
C.ZEROS = string.rep('\0', 8)

do
  local batch = cmsgpack.unpack(ARGV[1])
  S.router, S.session, S.sequence, S.was_in_share = batch[1], batch[2], batch[3], batch[4] == 1
  S.clock, S.check_run = batch[5], batch[6] == 1
  S.ttl, S.claim_limit, S.max_cooldown, S.has_grace = batch[7], batch[8], batch[9], batch[10] == 1
  S.bell, S.pool_name, S.class_blobs, S.commands = batch[11], batch[12], batch[13], batch[14]
end

-- Pool time of this call, and the other routers that have news: a list, and a set.
S.now, S.rung, S.is_rung = 0, {}, {}

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
  return string.sub(id, 1, 8)
end

-- Strings are not compared with `<`: that follows the server's locale.
function F.id_less(a, b)
  if a == b then return false end
  for at = 1, 16 do
    local left, right = string.byte(a, at), string.byte(b, at)
    if left ~= right then return left < right end
  end
  return false
end

-- Place in the order of arrival; the id settles ties.
function F.place_less(arrival, id, other_arrival, other_id)
  if arrival ~= other_arrival then return arrival < other_arrival end
  return F.id_less(id, other_id)
end
