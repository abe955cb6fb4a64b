-- May this request be let in, and what each command does. Every verb is idempotent.
--
-- An acquire is {number, class, delay, deadline, arrival or -1, waits for cooldowns 1 or 0}.

C.GRANTED, C.QUEUED, C.FULL, C.NO_KEY, C.CLAIM_REFUSED = 1, 2, 3, 4, 5
C.DONE, C.SETTLED, C.LIMITS_IN_FORCE, C.GRACE, C.ROUTERS_HEARD = 6, 7, 8, 9, 10
-- The answer that most commands have; it is not changed.
C.IS_DONE = { C.DONE }

function F.granted(lease)
  return { C.GRANTED, lease.key, lease.arrival }
end

function F.no_key(ends, reason, class)
  return { C.NO_KEY, ends < 0 and -1 or F.from_now(ends), reason, F.notes(class) }
end

function F.queued(arrival, ahead)
  return { C.QUEUED, arrival, ahead, F.wait_of(ahead) }
end

function F.in_force()
  if F.is_unset() then return { C.LIMITS_IN_FORCE } end
  local keys = {}
  for at, name in ipairs(S.limits.names) do
    keys[2 * at - 1] = name
    keys[2 * at] = string.format('%.17g', S.limits.weights[at])
  end
  local limits = S.limits
  return { C.LIMITS_IN_FORCE, limits.generation, limits.hash, limits.concurrency, limits.buffer,
    keys, limits.leeway }
end

-- The arrival number of a ticket: its own, or one that is greater than any before.
function F.next_number(own)
  if own < 0 then return max(S.now, S.pool.arrival + 1) end
  return own
end

function F.note_arrival(arrival)
  if arrival > S.pool.arrival then S.pool.arrival = arrival end
end

function F.arrival_number(own)
  local arrival = F.next_number(own)
  F.note_arrival(arrival)
  return arrival
end

-- The answer to an acquire of a known ticket; nil if it is not known. What is granted again lives
-- from then on: its router has not known that it has to be renewed.
function F.repeated(id)
  local ticket = F.ticket_of(id)
  if ticket then
    if ticket.stage == C.WAITS_LEAVE then
      return F.no_key(ticket.ends, ticket.reason, F.class_of_digest(ticket.class))
    end
    return F.queued(ticket.arrival, F.ahead_of(id, ticket.arrival))
  end
  local lease = F.lease_of(id)
  if not lease then return nil end
  F.tell_lease(id, lease)
  F.extend(id, lease)
  return F.granted(lease)
end

-- Enters a ticket without asking whether there is a place.
function F.enter_line(id, acquire, class, arrival, stage)
  F.hold_class(class, 1)
  local delay = acquire[3]
  local deadline = F.plus(S.now, acquire[4])
  F.insert_ticket(id, { class = class.digest, arrival = arrival, deadline = deadline,
    waits = acquire[6], stage = delay > 0 and C.WAITS_DELAY or stage,
    ends = delay > 0 and F.plus(S.now, delay) or -1, reason = 0 })
end

function F.grant_directly(id, class, arrival)
  while F.has_free_slot() do
    local head, place, is_unknown = F.first_usable()
    -- Somebody older may be there.
    if is_unknown then return nil end
    if head and F.place_less(place, head, arrival, id) then
      if not F.hand_off(head, place) then return nil end
    else
      local key = F.choose_key(class)
      if not key then return nil end
      F.note_arrival(arrival)
      F.grant(id, class, key, arrival, true)
      return { C.GRANTED, key, arrival }
    end
  end
  return nil
end

-- Why there is no place for a ticket that has to wait (Q2), or nil: the buffer is full, or its model has
-- its part of it. An heir waits in the place of its lease, unless it is held back.
function F.crowded_out(class, usable, reason, ends, stage, is_heir)
  local pool, limits = S.pool, S.limits
  local is_held_back = stage ~= C.WAITS_SLOT
  if is_heir and not is_held_back then return nil end
  local all, is_full, part = limits.buffer + limits.concurrency, false, limits.concurrency
  if is_heir then
    is_full = pool.tickets >= all
  else
    -- Who of them can start at once shows at the end of a grace.
    is_full = pool.tickets + pool.claimed >= all
      or not S.grace and F.status()[2] >= limits.buffer
  end
  if not is_heir then
    part = 1
    is_full = is_full
      or (F.walk().classes >= C.CLASSES_MAX and F.held_class(class).tickets == 0)
  end
  part = max(floor((limits.buffer + 1) / 2), part)
  local has_its_part = is_held_back and F.held_back(class) >= part
  -- Its rest says more than that many wait for it already.
  if has_its_part and not usable then return F.no_key(ends, reason, class) end
  return (is_full or has_its_part) and { C.FULL, F.retry_after() } or nil
end

-- `heir_of`: the arrival number of the lease it goes on from, or -1. What can start now is never
-- refused because others wait (Q13).
function F.admit(acquire, heir_of)
  local id = acquire[1]
  local known = F.repeated(id)
  if known then return known end
  if F.is_unset() then return { C.LIMITS_IN_FORCE } end
  local class = F.class_of_batch(acquire[2])
  local is_later, waits = acquire[3] > 0 or S.grace ~= false, acquire[6] == 1
  local usable, reason, ends = F.standing(class)
  if F.is_refused(usable, reason, waits or is_later) then return F.no_key(ends, reason, class) end
  local own = acquire[5] >= 0 and acquire[5] or heir_of
  local arrival = F.next_number(own)
  if not is_later then
    local answer = F.grant_directly(id, class, arrival)
    if answer then return answer end
  end
  local stage = C.WAITS_SLOT
  if acquire[3] > 0 then
    stage = C.WAITS_DELAY
  elseif not (usable or is_later) then
    stage = C.WAITS_REST
  end
  local refusal = F.crowded_out(class, usable, reason, ends, stage, heir_of >= 0)
  if refusal then return refusal end
  F.note_arrival(arrival)
  F.enter_line(id, acquire, class, arrival, stage)
  if own >= 0 then return F.queued(arrival, F.ahead_of(id, arrival)) end
  -- A new number is the greatest.
  return F.queued(arrival, S.pool.listed - (stage == C.WAITS_SLOT and 1 or 0))
end

function F.end_probes(id, lease)
  F.release_probes(id, lease)
  if lease.probes > 0 then
    lease.probes, S.changed[id] = 0, true
  end
end

-- When the key of a lease was granted that is not known: before every rest, so that it ends none, and counts
-- for no further step of one.
local UNKNOWN_SINCE = 0

-- Learns from a lease, then frees it. False if it is not known: nothing is freed then (Q3). What its key did
-- is known all the same: its router may have left it out of what it said again, or it ran out.
function F.end_lease(id, outcome)
  local lease = F.lease_of(id)
  if outcome[1] then F.learn(outcome, lease and lease.key_since or UNKNOWN_SINCE) end
  if not lease then return false end
  F.free(id)
  if S.tickets[id] then F.drop_ticket(id) end
  if lease.since >= 0 and lease.claimed then F.record(S.now - lease.since) end
  return lease
end

-- `next_one`: the ticket the request goes on with, or false.
function F.settle(id, outcome, next_one)
  local ended = F.end_lease(id, outcome)
  if not next_one then return C.IS_DONE end
  local answer
  if ended then
    answer = F.admit(next_one, ended.arrival)
  else
    answer = F.repeated(next_one[1])
  end
  return answer and { C.SETTLED, answer } or { C.SETTLED }
end

-- The next key, or nil if the lease is to be settled. Second: it has learnt already.
function F.rotated(id, attempt, outcome, class)
  local lease = F.lease_of(id)
  if not lease then return nil, false end
  if attempt <= lease.rotation then
    F.extend(id, lease)
    return F.granted(lease)
  end
  if S.grace then return { C.GRACE } end
  F.learn(outcome, lease.key_since)
  F.end_probes(id, lease)
  local key = F.choose_key(class)
  if not key then return nil, true end
  lease.probes = F.probe(id, key, class.model)
  if S.limits.leeway > 0 then
    F.count_key(lease.key, -1)
    F.count_key(key, 1)
  end
  lease.key, lease.model, lease.key_since, lease.rotation = key, class.model, S.now, attempt
  S.changed[id] = true
  F.extend(id, lease)
  F.drop_ticket(id)
  return F.granted(lease)
end

function F.rotate(id, attempt, outcome, class, next_one)
  local answer, has_learnt = F.rotated(id, attempt, outcome, class)
  if answer then return answer end
  answer = F.settle(id, has_learnt and {} or outcome, next_one)
  return answer[1] == C.DONE and { C.SETTLED } or answer
end

function F.claim(id)
  local lease = F.lease_of(id)
  if not lease then return { C.CLAIM_REFUSED } end
  local is_new = not lease.claimed
  if is_new and S.grace then return { C.GRACE } end
  F.extend(id, lease)
  if is_new then
    F.tell_lease(id, lease)
    F.drop_ticket(id)
  end
  return F.granted(lease)
end

-- The caller says hello, so it has not heard the answer to its last batch: what waits for it, and
-- slots of which it may not know, hold up nobody until it says again what it holds (Q11).
function F.doubt(last_words)
  local ids = F.ids_of_router(S.router)
  for _, id in ipairs(ids) do
    if F.ticket_of(id) then
      F.free(id)
      F.drop_ticket(id)
    end
  end
  local ends = F.plus(S.now, S.claim_limit)
  for _, id in ipairs(ids) do
    local lease = F.lease_of(id)
    if lease and lease.since >= last_words then
      local present = F.range('ZSCORE', ENDS, id)
      if tonumber(present) > ends then F.end_at(id, ends) end
    end
  end
end

-- Keeps a lease alive, or enters it as its router says. `held`: {number, key, model}.
function F.keep(held)
  local id, key, model = held[1], held[2], held[3]
  local lease = F.lease_of(id)
  if lease and lease.claimed and lease.key == key and lease.model == model then
    return F.extend(id, lease)
  end
  F.free(id)
  F.drop_ticket(id)
  local row = { arrival = F.arrival_number(-1), since = -1, key_since = 0, rotation = 0, probes = 0,
    claimed = true, key = key, model = model }
  F.insert_lease(id, row, F.plus(S.now, S.ttl))
end

function F.restate(held, waiting)
  local ids = F.ids_of_router(S.router)
  for _, id in ipairs(ids) do F.drop_ticket(id) end
  local named = {}
  for _, one in ipairs(held) do named[one[1]] = true end
  for _, id in ipairs(ids) do
    local lease = F.lease_of(id)
    if lease and not (named[id] and lease.claimed) then F.free(id) end
  end
  for _, one in ipairs(held) do F.keep(one) end
  for _, acquire in ipairs(waiting) do
    local class, arrival = F.class_of_batch(acquire[2]), F.arrival_number(acquire[5])
    F.enter_line(acquire[1], acquire, class, arrival, C.WAITS_SLOT)
  end
  F.look_again()
  if S.grace then S.grace.awaited[S.router] = nil end
  if F.end_grace() then F.sweep() end
  return C.IS_DONE
end

function F.set_limits(blob, replaces)
  local offered, row = F.parsed(blob, F.parse_limits), F.router_of(S.router)
  local hash, had = offered.hash, row.limits
  local is_again = read('>I8', offered.generation) > read('>I8', replaces) + 1
  -- A late offer is made again: until then it counts what the router had before.
  local is_known = S.limits.generation == replaces or had == C.ZEROS or hash == S.limits.hash
  if not is_again and is_known then row.limits, row.changed = hash, true end
  if S.limits.blob == blob then return C.IS_DONE end
  if S.limits.generation ~= replaces or F.is_outdated(hash, had, is_again) then
    return F.in_force()
  end
  row.limits, row.changed = hash, true
  F.put_limits(blob)
  F.look_again()
  F.thaw(false)
  return C.IS_DONE
end

-- By the number that a command begins with.
F.VERBS = {
  function(c) return F.set_limits(c[2], c[3]) end,
  function(c) return F.admit(c[2], -1) end,
  function(c) return F.claim(c[2]) end,
  function(c) return F.settle(c[2], c[3], c[4]) end,
  function(c) return F.rotate(c[2], c[3], c[4], F.class_of_batch(c[5]), c[6]) end,
  function(c) -- answered
    local id = c[2]
    local lease = F.lease_of(id)
    F.learn(c[3], lease and lease.key_since or UNKNOWN_SINCE)
    if lease then F.end_probes(id, lease) end
    return C.IS_DONE
  end,
  function(c) -- renew
    for _, held in ipairs(c[2]) do F.keep(held) end
    return C.IS_DONE
  end,
  function(c) -- leave
    local id = c[2]
    F.end_lease(id, {})
    F.drop_ticket(id)
    return C.IS_DONE
  end,
  function(c) return F.restate(c[2], c[3]) end,
  function() -- routers
    local answer = { C.ROUTERS_HEARD }
    for one in pairs(F.live_at(S.now)) do answer[#answer + 1] = one end
    return answer
  end,
  function() -- bye
    F.forget_router(S.router)
    F.drop_router(S.router)
    if S.grace then S.grace.awaited[S.router] = nil end
    if F.end_grace() then F.sweep() end
    return C.IS_DONE
  end,
  function(c) -- learn
    F.learn(c[2], S.now)
    return C.IS_DONE
  end,
}
