-- What rests, until when, and who may find out whether it is well again (Q6).

C.COOLDOWNS_MAX = 16384
C.NOTES_MAX = 16
C.ENDPOINT = 'e'

function F.key_scope(key)
  return 'k' .. key
end

function F.model_scope(key, model)
  return 'm' .. pack('>I4', #key) .. key .. model
end

function F.rest_of(scope)
  if S.pool.cooling == 0 then return false end
  S.rests = S.rests or {}
  local row = S.rests[scope]
  if row == nil then
    local packed = call('HGET', COOLDOWNS, scope)
    row = false
    if packed then
      row = {}
      row.ends, row.growth = read('<dd', packed)
      row.probe = #packed > 16 and sub(packed, 17) or false
    end
    S.rests[scope] = row
  end
  return row
end

function F.save_rest(scope, row)
  S.rests = S.rests or {}
  S.rests[scope] = row
  call('HSET', COOLDOWNS, scope, pack('<dd', row.ends, row.growth) .. (row.probe or ''))
end

function F.remove_rest(scope)
  S.rests[scope] = false
  S.pool.cooling = S.pool.cooling - 1
  call('HDEL', COOLDOWNS, scope)
  call('ZREM', RESTS, scope)
  call('HDEL', NOTES, scope)
end

function F.blocked_until(scope)
  local row = F.rest_of(scope)
  if not row then return nil end
  if S.now < row.ends then return row.ends end
  if row.probe then return S.now end
  return nil
end

-- Since when a key may be used for a model: nil at once. Second: the endpoint is in the way.
function F.blocked(key, model)
  if S.pool.cooling == 0 then return nil end
  local endpoint = F.blocked_until(C.ENDPOINT)
  local ends = endpoint
  for _, scope in ipairs({ F.key_scope(key), F.model_scope(key, model) }) do
    local own = F.blocked_until(scope)
    if own and (not ends or own > ends) then ends = own end
  end
  return ends, endpoint ~= nil
end

-- The scope of those in the way of a key for a model that rests the longest, or nil.
function F.last_rest(key, model)
  local last, ends
  for _, scope in ipairs({ C.ENDPOINT, F.key_scope(key), F.model_scope(key, model) }) do
    local row = F.rest_of(scope)
    if row and (not ends or row.ends >= ends) then last, ends = scope, row.ends end
  end
  return last
end

-- What is noted of the rests in the way of a class, each note once, in the order of its keys.
function F.notes(class)
  local notes, seen = {}, {}
  for _, place in ipairs(F.places_of(class)) do
    local scope = F.last_rest(S.limits.names[place], class.model)
    local note = scope and call('HGET', NOTES, scope) or ''
    if not seen[note] then
      seen[note], notes[#notes + 1] = true, note
    end
    if #notes == C.NOTES_MAX then break end
  end
  return notes
end

-- Makes a lease the probe of whatever it is granted on that is not known to be well: a sum of
-- 1 for the endpoint, 2 for the key, 4 for key and model.
function F.probe(id, key, model)
  if S.pool.cooling == 0 then return 0 end
  local mask, bit_of_scope = 0, 1
  for _, scope in ipairs({ C.ENDPOINT, F.key_scope(key), F.model_scope(key, model) }) do
    local row = F.rest_of(scope)
    if row then
      row.probe = id
      F.save_rest(scope, row)
      mask = mask + bit_of_scope
    end
    bit_of_scope = bit_of_scope * 2
  end
  return mask
end

function F.release_probe(id, scope)
  local row = F.rest_of(scope)
  if row and row.probe == id then
    row.probe = false
    F.save_rest(scope, row)
  end
end

-- Ends a lease's probes; where nothing was learnt the next ticket may probe.
function F.release_probes(id, lease)
  local mask = lease.probes
  if mask == 0 then return end
  if mask >= 4 then F.release_probe(id, F.model_scope(lease.key, lease.model)) end
  if mask % 4 >= 2 then F.release_probe(id, F.key_scope(lease.key)) end
  if mask % 2 == 1 then F.release_probe(id, C.ENDPOINT) end
end

-- Beyond the bound the key × model row that ends first is forgotten.
function F.make_room()
  local from = 0
  while true do
    local found = call('ZRANGE', RESTS, from, from + 63)
    if #found == 0 then return end
    for _, scope in ipairs(found) do
      if sub(scope, 1, 1) == 'm' then return F.remove_rest(scope) end
    end
    from = from + 64
  end
end

function F.cool(scope, asked, base, limit, granted, note)
  local row = F.rest_of(scope)
  if not row then
    if S.pool.cooling >= C.COOLDOWNS_MAX then F.make_room() end
    row = { ends = 0, growth = 0, probe = false }
    S.pool.cooling = S.pool.cooling + 1
  end
  local rest = asked
  if rest < 0 then
    -- Failures of one and the same moment count as one step.
    if row.growth == 0 or granted >= row.ends then
      row.growth = min(row.growth + 1, 4294967295)
    end
    rest = base * 2 ^ min(row.growth - 1, 63)
  end
  row.probe = false
  row.ends = max(row.ends, F.plus(S.now, min(rest, limit)))
  F.save_rest(scope, row)
  call('ZADD', RESTS, row.ends, scope)
  if note == '' then call('HDEL', NOTES, scope) else call('HSET', NOTES, scope, note) end
end

-- Learns from an attempt that has had its key since `granted`.
function F.learn(outcome, granted)
  for _, health in ipairs(outcome) do
    local is_well, scope, key = health[1] == 1, health[2], health[3]
    if scope == C.ENDPOINT or S.limits.places[key] then
      if is_well then
        local row = F.rest_of(scope)
        if row and granted >= row.ends then F.remove_rest(scope) end
      else
        local limit = min(health[6], S.max_cooldown)
        F.cool(scope, health[4], health[5], limit, granted, health[7])
      end
    end
  end
end

-- Drops rows whose rest ended long ago, unless they are being probed.
function F.sweep_rests()
  if S.pool.cooling == 0 then return end
  for _, scope in ipairs(call('ZRANGEBYSCORE', RESTS, '-inf', S.now - S.max_cooldown)) do
    if not F.rest_of(scope).probe then F.remove_rest(scope) end
  end
end
