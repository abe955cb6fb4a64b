-- What time alone changes, and who gets what is free.

-- Where no weight stands it is 1.
C.ONES = {}
C.COOLING, C.ENDPOINT_COOLING, C.UNKNOWN = 1, 2, 3
-- Of what is due a batch does so much at most, of each kind.
C.SWEPT_MAX = 256

-- Of eligible places: how many have a weight, its sum, and the first of them.
function F.sum_up(eligible)
  local weights, count, sum, first = S.limits.weights, 0, 0, nil
  for _, key in ipairs(eligible) do
    local weight = weights[key]
    if weight > 0 then
      first = first or key
      count = count + 1
      sum = sum + weight
    end
  end
  return count, sum, first
end

-- Earliest virtual deadline first (Q7): among `eligible` places, ascending; moves the lags. The others
-- are what `sum_up` found.
function F.choose(eligible, count, sum, first)
  local weights = S.limits.weights
  if count == 0 then
    -- Zero weights serve only where there is no other, then equally.
    weights, count, sum, first = C.ONES, #eligible, #eligible, eligible[1]
  end
  if count < 2 then return first end
  local lags = F.lags()
  local threshold = 1 / (2 * count - 2)
  local best, earliest, ripe, ripe_earliest = nil, nil, nil, nil
  for at = 1, #eligible do
    local key = eligible[at]
    local weight = weights[key] or 1
    if weight > 0 then
      local share = weight / sum
      local lag = lags[key] + share
      lags[key] = lag
      local deadline = (1 - threshold - lag) / share
      if lag >= threshold then
        if not ripe or deadline < ripe_earliest then ripe, ripe_earliest = key, deadline end
      elseif not best or deadline < earliest then
        best, earliest = key, deadline
      end
    end
  end
  -- Who is not ripe is chosen only where nobody is.
  best = ripe or best or first
  lags[best] = lags[best] - 1
  return best
end

-- In the place of `due`, whose turn it is, the key with the least in flight for its weight, of those whose
-- debts allow it: `weir_quota::choose_least_busy`.
function F.least_busy(eligible, count, due)
  F.lags()
  local leeway, debts, busy = S.limits.leeway, S.debts, S.busy
  if debts[due] >= leeway then return due end
  local weights = count == 0 and C.ONES or S.limits.weights
  local best, least = due, busy[due] / (weights[due] or 1)
  for at = 1, #eligible do
    local key = eligible[at]
    local weight = weights[key] or 1
    if key ~= due and weight > 0 and debts[key] > -leeway then
      local load = busy[key] / weight
      local is_owed_more = best ~= due and debts[key] > debts[best]
      if load < least or (load == least and is_owed_more) then best, least = key, load end
    end
  end
  if best ~= due then debts[due], debts[best] = debts[due] + 1, debts[best] - 1 end
  return best
end

-- The name of a key of a class that may be used now, or nil; moves the lags.
function F.choose_key(class)
  local places, place, count = F.places_of(class), nil, nil
  local unwell, rests = F.rests_for(class.model)
  if unwell then
    local usable, names = {}, S.limits.names
    for _, one in ipairs(places) do
      if not F.blocked(unwell, rests, names[one]) then usable[#usable + 1] = one end
    end
    local sum, first
    count, sum, first = F.sum_up(usable)
    place, places = F.choose(usable, count, sum, first), usable
  else
    if not class.count then class.count, class.sum, class.first = F.sum_up(places) end
    place, count = F.choose(places, class.count, class.sum, class.first), class.count
  end
  if place and S.limits.leeway > 0 then place = F.least_busy(places, count, place) end
  return place and S.limits.names[place]
end

-- Whether a class can be given a key now. If not: why a ticket would be told so, and when that may
-- change (-1: never under these limits).
function F.standing(class)
  local places = F.places_of(class)
  if #places == 0 then return false, C.UNKNOWN, -1 end
  if S.pool.cooling == 0 then return true end
  local unwell, rests = F.rests_for(class.model)
  if not unwell then return true end
  local ends, is_endpoint = nil, false
  for _, place in ipairs(places) do
    local one, endpoint = F.blocked(unwell, rests, S.limits.names[place])
    if not one then return true end
    ends, is_endpoint = ends and min(ends, one) or one, endpoint
  end
  return false, is_endpoint and C.ENDPOINT_COOLING or C.COOLING, ends
end

-- Whether a ticket is told so, rather than left waiting.
function F.is_refused(usable, reason, waits)
  return not usable and (reason == C.UNKNOWN or not waits)
end

-- Enters a lease, as a probe where its scopes are not known to be well (Q6).
function F.grant(id, class, key, arrival, claimed)
  local probes = F.probe(id, key, class.model)
  local row = { arrival = arrival, since = S.now, key_since = S.now, rotation = 0, probes = probes,
    claimed = claimed, key = key, model = class.model }
  F.insert_lease(id, row, F.plus(S.now, claimed and S.ttl or S.claim_limit))
end

-- Claims for the caller what it was handed.
function F.claim_offered()
  if S.grace or S.is_hello or (next(S.news) == nil and next(S.told) == nil) then return end
  local ids = F.ids_of_news()
  F.prepare(ids)
  for _, id in ipairs(ids) do
    local ticket, lease = S.news[id] and F.ticket_of(id), F.lease_of(id)
    if ticket and ticket.stage == C.WAITS_CLAIM then
      F.drop_ticket(id)
      F.tell_claimed(id)
    end
    -- Until it is known to have heard that, the reply says so (again), and cannot be asked to renew it.
    if lease then
      F.extend(id, lease)
      F.tell_lease(id, lease)
    end
  end
end

-- Gives a slot and a key to a ticket: to be claimed, or claimed if its router is the caller.
function F.hand_off(id, arrival)
  local class = F.class_of_digest(F.ticket_of(id).class)
  local key = F.choose_key(class)
  if not key then return false end
  if F.owner_of(id) == S.router and not S.is_hello then
    -- Its router hears of it with the reply to this very batch.
    F.drop_ticket(id)
    F.grant(id, class, key, arrival, true)
    F.tell_claimed(id)
  else
    F.move_ticket(id, C.WAITS_CLAIM)
    F.grant(id, class, key, arrival, false)
    F.tell(id)
  end
  return true
end

-- Hands free slots to the tickets that can use them (Q10), and tells those that get no key.
function F.hand_out()
  local walk = F.walk()
  -- Nobody waits, nobody is yet to be looked at, and no rest has changed.
  if S.pool.tickets == 0 and not (walk.look or walk.thaws[1] or S.opened[1] or S.has_closed) then return end
  F.note_changes()
  if S.grace or F.is_unset() then return end
  repeat
    F.thaw_some()
    while F.has_free_slot() do
      local id, arrival = F.first_usable()
      if not id or not F.hand_off(id, arrival) then break end
    end
    F.look_at_some()
    -- What was handed off may have taken the last place of a probe.
  until not F.note_changes()
end

-- Forgets a router that was silent for a lease's life, with all that it had.
function F.drop_router(one)
  local ids = F.ids_of_router(one)
  for _, id in ipairs(ids) do F.drop_ticket(id) end
  for _, id in ipairs(ids) do F.free(id) end
  F.forget_told(one)
end

-- What is due of a set, as much of it as a batch does; all that is known of it is read at once.
function F.due(key)
  local ids = F.range('ZRANGEBYSCORE', key, '-inf', S.now, 'LIMIT', 0, C.SWEPT_MAX)
  F.prepare(ids)
  return ids
end

-- Does what is due (Q4).
function F.sweep()
  if S.grace then return end
  if S.pool.leases > 0 and S.now >= S.pool.end_at then
    local ids = F.due(ENDS)
    for _, id in ipairs(ids) do
      if not F.free(id).claimed then
        F.set_lapsed(F.owner_of(id), true)
        F.judge(id)
      end
    end
    F.next_end()
  end
  if S.now >= S.pool.check_at then
    for _, silent in ipairs(F.forget_silent()) do F.drop_router(silent) end
  end
  if S.pool.delayed > 0 then
    for _, id in ipairs(F.due(DELAYED)) do F.judge(id) end
  end
  if S.pool.tickets > 0 and S.now >= S.pool.deadline_at then
    for _, id in ipairs(F.due(DEADLINES)) do
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

-- Whether the grace that is on has ended.
function F.is_grace_over()
  return S.now >= S.grace.ends or (next(S.grace.awaited) == nil and not S.grace.was_empty)
end

function F.end_grace()
  local over = S.grace and F.is_grace_over()
  if over then
    S.grace = false
    F.look_again()
  end
  return over
end

-- A router is back from its share: others that are too, shortly, are awaited after a silence of all
-- (Q11).
function F.await_shares()
  local from, to = S.pool.silent_from, S.pool.silent_to
  S.pool.silent_from, S.pool.silent_to = -1, -1
  if to < 0 or S.now - to >= S.claim_limit then return end
  local awaited = F.silenced(from)
  if next(awaited) == nil then return end
  S.grace = { ends = F.plus(to, S.claim_limit), was_empty = false, awaited = awaited }
end

-- Starts a grace if this call follows a gap, or finds the pool empty.
function F.note_gap()
  if not S.has_grace then return end
  local before = S.pool.called
  if not before then return F.begin_empty() end
  local limit, matters = floor(S.ttl / 2), S.pool.leases + S.pool.tickets > 0
  if S.grace then limit, matters = S.claim_limit, true end
  if S.now - before >= S.claim_limit then
    S.pool.silent_from, S.pool.silent_to = before, S.now
  end
  if matters and S.now - before > limit then
    F.start_grace(F.live_at(before), false)
  elseif S.past % 2 == 1 and S.session ~= C.ZEROS and not S.grace then
    F.await_shares()
  end
end
