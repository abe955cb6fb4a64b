-- What time alone changes, and who gets what is free.

-- Where no weight stands it is 1.
C.ONES = {}
C.COOLING, C.ENDPOINT_COOLING, C.UNKNOWN = 1, 2, 3

-- Earliest virtual deadline first (Q7): among `eligible` places, ascending; moves the lags.
function F.choose(eligible)
  local weights, lags, count, sum, first = S.limits.weights, F.lags(), 0, 0, nil
  for _, key in ipairs(eligible) do
    local weight = weights[key]
    if weight > 0 then
      first = first or key
      count = count + 1
      sum = sum + weight
    end
  end
  if count == 0 then
    -- Zero weights serve only where there is no other, then equally.
    weights, count, sum, first = C.ONES, #eligible, #eligible, eligible[1]
  end
  if count < 2 then return first end
  local threshold = 1 / (2 * count - 2)
  local any_ripe = false
  for _, key in ipairs(eligible) do
    local weight = weights[key] or 1
    if weight > 0 then
      lags[key] = lags[key] + weight / sum
      any_ripe = any_ripe or lags[key] >= threshold
    end
  end
  local best, earliest = nil, nil
  for _, key in ipairs(eligible) do
    local weight, lag = weights[key] or 1, lags[key]
    if weight > 0 and not (any_ripe and lag < threshold) then
      local deadline = (1 - threshold - lag) / (weight / sum)
      if not best or deadline < earliest then best, earliest = key, deadline end
    end
  end
  best = best or first
  lags[best] = lags[best] - 1
  return best
end

-- The name of a key of a class that may be used now, or nil; moves the lags.
function F.choose_key(class)
  local places = F.places_of(class)
  if S.pool.cooling > 0 then
    local usable = {}
    for _, place in ipairs(places) do
      if not F.blocked(S.limits.names[place], class.model) then usable[#usable + 1] = place end
    end
    places = usable
  end
  local place = F.choose(places)
  return place and S.limits.names[place]
end

-- Whether a class can be given a key now. If not: why a ticket would be told so, and when that may
-- change (-1: never under these limits).
function F.standing(class)
  local places = F.places_of(class)
  if #places == 0 then return false, C.UNKNOWN, -1 end
  if S.pool.cooling == 0 then return true end
  local ends, is_endpoint = nil, false
  for _, place in ipairs(places) do
    local one, endpoint = F.blocked(S.limits.names[place], class.model)
    if not one then return true end
    ends, is_endpoint = ends and min(ends, one) or one, endpoint
  end
  return false, is_endpoint and C.ENDPOINT_COOLING or C.COOLING, ends
end

-- Whether a ticket is told so, rather than left waiting.
function F.is_refused(usable, reason, waits)
  return not usable and (reason == C.UNKNOWN or not waits)
end

-- The list whose head is first among those that could use a slot, and the lists to be refused.
function F.survey()
  -- While nothing cools, what is listed can be given a key, unless a recheck is due.
  if S.pool.cooling == 0 and not S.recheck then return F.first_in_line(), {} end
  local first, refused, known = nil, {}, {}
  for _, head in pairs(F.read_heads()) do
    local found = known[head.class]
    if not found then
      found = { F.standing(head.class) }
      known[head.class] = found
    end
    if F.is_refused(found[1], found[2], head.waits) then
      refused[#refused + 1] = { name = head.name, reason = found[2], ends = found[3] }
    elseif found[1] and (not first or F.place_less(head.arrival, head.id, first.arrival, first.id))
      and not F.is_skipped(head.owner) then
      first = head
    end
  end
  return first, refused
end

function F.first_usable()
  if S.pool.listed == 0 then return nil end
  return (F.survey())
end

-- Enters a lease, as a probe where its scopes are not known to be well (Q6).
function F.grant(id, class, key, arrival, claimed)
  local probes = F.probe(id, key, class.model)
  local row = { arrival = arrival, since = S.now, key_since = S.now, rotation = 0, probes = probes,
    claimed = claimed, key = key, model = class.model }
  F.insert_lease(id, row, F.plus(S.now, claimed and S.ttl or S.claim_limit))
end

-- Gives a slot and a key to the head of a list, to be claimed.
function F.hand_off(head)
  local id, class, arrival = head.id, head.class, head.arrival
  local key = F.choose_key(class)
  if not key then return false end
  F.move_ticket(id, C.WAITS_CLAIM)
  F.grant(id, class, key, arrival, false)
  F.tell(id)
  return true
end

function F.refuse(list)
  for _, id in ipairs(F.tickets_of_list(list.name)) do
    F.move_ticket(id, C.WAITS_LEAVE, list.ends, list.reason)
    F.tell(id)
  end
end

-- Hands free slots to the tickets that can use them (Q10), and tells those that get no key.
function F.hand_out()
  if S.grace or S.pool.listed == 0 or F.is_unset() then return end
  while true do
    local free_slot = F.has_free_slot()
    if not (free_slot or S.recheck) and S.pool.cooling == 0 then return end
    local first, refused = F.survey()
    S.recheck = false
    for _, list in ipairs(refused) do F.refuse(list) end
    if not (free_slot and first and F.hand_off(first)) then return end
  end
end

function F.list_again(id)
  F.move_ticket(id, C.WAITS_SLOT)
  S.recheck = true
end

-- Forgets a router that was silent for a lease's life, with all that it had.
function F.drop_router(one)
  local ids = F.ids_of_router(one)
  for _, id in ipairs(ids) do F.drop_ticket(id) end
  for _, id in ipairs(ids) do F.free(id) end
end

-- Does what is due (Q4).
function F.sweep()
  if S.grace then return end
  if S.pool.leases > 0 and S.now >= S.pool.end_at then
    for _, id in ipairs(F.range('ZRANGEBYSCORE', ENDS, '-inf', S.now)) do
      if not F.free(id).claimed then
        F.set_lapsed(F.owner_of(id), true)
        F.list_again(id)
      end
    end
    F.next_end()
  end
  for _, silent in ipairs(F.forget_silent()) do F.drop_router(silent) end
  if S.pool.delayed > 0 then
    for _, id in ipairs(F.range('ZRANGEBYSCORE', DELAYED, '-inf', S.now)) do F.list_again(id) end
  end
  if S.pool.tickets > 0 and S.now >= S.pool.deadline_at then
    for _, id in ipairs(F.range('ZRANGEBYSCORE', DEADLINES, '-inf', S.now)) do
      -- A hand-off keeps its ticket alive until it is claimed or lapses.
      if not F.lease_of(id) then F.drop_ticket(id) end
    end
    S.pool.deadline_at = F.first_score(DEADLINES, '-inf')
  end
  F.sweep_rests()
end

-- The time after a gap, in which routers say again what they hold and nothing is decided.

function F.start_grace(awaited, was_empty)
  if S.grace then
    was_empty = was_empty or S.grace.was_empty
    for one in pairs(S.grace.awaited) do awaited[one] = true end
  end
  local length = F.plus(floor(S.ttl / 2), S.claim_limit)
  S.grace = { ends = F.plus(S.now, length), was_empty = was_empty, awaited = awaited }
end

function F.end_grace()
  local over = S.grace
    and (S.now >= S.grace.ends or (next(S.grace.awaited) == nil and not S.grace.was_empty))
  if over then S.grace = false end
  return over
end

-- Starts a grace if this call follows a gap, or comes from a router that served its share.
function F.note_gap()
  if not S.has_grace then return end
  local before = S.pool.called
  if before then
    local limit, matters = floor(S.ttl / 2), S.pool.leases + S.pool.tickets > 0
    if S.grace then limit, matters = S.claim_limit, true end
    if matters and S.now - before > limit then F.start_grace(F.live_at(before), false) end
  else
    F.start_grace({}, true)
  end
  if S.was_in_share then
    if not S.grace then F.start_grace(F.live_at(S.now), false) end
    S.grace.awaited[S.router] = true
  end
end
