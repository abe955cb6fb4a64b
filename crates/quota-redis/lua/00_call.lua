-- One batch of one router for one pool, as one atomic step: `weir_quota::Machine::execute` in Lua.
--
-- keys   the pool's names, all in one hash tag, in the order of the names below.
-- args   [1] the batch, msgpack, as `src/batch.rs` writes it.
-- reply  {'stale'}, or the fields that `src/reply.rs` reads.
--
-- Order: read, refuse a stale session before anything is written (Q8), grace, sweep, hand out, then
-- the commands in order, handing out after each. The machine is the truth: same names, same order
-- of floating-point operations. Ids are strings of 16 bytes, router before number, big-endian, so
-- that byte order is the machine's order. Moments are microseconds below 2^53, exact in a double.
-- Names of the machine's `until` are `ends` here: `until` is a word of Lua.

-- This text is loaded once, where the server has functions, and runs for many pools then. C and F
-- are constants and functions, never changed after that. All that a call knows is in S and K (the
-- pool's names), made anew by each: what one call leaves in them, an error included, no other sees.
local C, F = {}, {}
local S, K
-- While a text is loaded a server has no libraries to call, `string` neither: they are named here by
-- the first call.
local call, sub, byte, pack, read, floor, max, min

C.MAX = 9007199254740991
C.ZEROS = '\0\0\0\0\0\0\0\0'

function F.begin(keys, args)
  call, sub, byte, pack, read = redis.call, string.sub, string.byte, struct.pack, struct.unpack
  floor, max, min = math.floor, math.max, math.min
  K = { ALL = keys }
  K.ROWS, K.ENDS, K.DEADLINES, K.DELAYED, K.ORDER, K.LISTS, K.NEWS, K.COOLDOWNS, K.RESTS =
    unpack(keys)

  local batch = cmsgpack.unpack(args[1])
  S = {}
  S.router, S.session, S.sequence, S.was_in_share = batch[1], batch[2], batch[3], batch[4] == 1
  S.clock, S.check_run = batch[5], batch[6] == 1
  S.ttl, S.claim_limit, S.max_cooldown, S.has_grace = batch[7], batch[8], batch[9], batch[10] == 1
  S.bell, S.pool_name, S.class_blobs, S.commands = batch[11], batch[12], batch[13], batch[14]
  -- Pool time of this call, and the other routers that have news: a list, and a set.
  S.now, S.rung, S.is_rung = 0, {}, {}
  -- Rows as far as they were looked at; false where there is none. By incarnation, scope, id.
  S.routers, S.rests, S.entries = {}, {}, {}
  S.all_routers_read = false
  -- Classes by place in the batch and by digest, and by digest how many tickets hold them.
  S.classes_of_batch, S.classes, S.holds = {}, {}, {}
  -- What is to be written: ids of entries, digests of classes; of sorted sets scores by member.
  S.changed, S.changed_classes, S.pending = {}, {}, {}
  -- The first ticket of every list that has one, and the first ids in line; nil until asked for.
  S.heads, S.line = nil, nil
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
