-- What rests, until when, and who may find out whether it is well again (Q6, Q14).
--
-- Keys and the endpoint stand in one text beside the core. The rests of a model stand in one text of
-- its own, so that a class costs one look, however many keys it has (Q12).

C.MODELS_MAX, C.MISSING_MAX, C.DUE_MAX, C.STEPS_MAX = 16384, 1024, 64, 6
C.NOTES_MAX = 16
C.ENDPOINT = 'e'
-- Rests of models that are real and not over, that are over, that may not exist; no moment before.
C.UNWELL_FORMAT = '<dddd'
C.UNWELL_SIZE = 32
-- Ends, growth, since, moment, missing, shelf, probes, name: of a key in the text of a model, else the
-- scope. `since` is -1 before the first probe.
C.REST_FORMAT = '<ddddBBI4c0I4c0'
C.SHELF_KEY, C.SHELF_MODEL, C.SHELF_IDLE, C.SHELF_MISSING = 0, 1, 2, 3

function F.key_scope(key)
  return 'k' .. key
end

function F.model_scope(key, model)
  return 'm' .. pack('>I4', #key) .. key .. model
end

-- The model and the key of such a scope.
function F.read_model_scope(scope)
  local size = read('>I4', scope, 2)
  return sub(scope, 6 + size), sub(scope, 6, 5 + size)
end

function F.read_rests(text, at)
  local rows = {}
  while at <= #text do
    local ends, growth, since, moment, missing, shelf, probes, name, next_one =
      read(C.REST_FORMAT, text, at)
    rows[name] = { ends = ends, growth = growth, since = since, moment = moment,
      missing = missing == 1, shelf = shelf, probes = probes }
    at = next_one
  end
  return rows
end

function F.pack_rests(rows)
  local parts = {}
  for name, row in pairs(rows) do
    parts[#parts + 1] = pack(C.REST_FORMAT, row.ends, row.growth, row.since, row.moment,
      row.missing and 1 or 0, row.shelf, #row.probes, row.probes, #name, name)
  end
  return table.concat(parts)
end

-- The numbers, and the rests of keys and of the endpoint.
function F.unwell()
  local unwell = S.unwell
  if not unwell then
    unwell = { models = 0, idle = 0, missing = 0, moment = C.MAX, rows = {}, changed = false }
    if S.unwell_text then
      unwell.models, unwell.idle, unwell.missing, unwell.moment =
        read(C.UNWELL_FORMAT, S.unwell_text)
      F.insist_on_counts(unwell.models, unwell.idle, unwell.missing, unwell.moment)
      unwell.rows = F.read_rests(S.unwell_text, C.UNWELL_SIZE + 1)
    end
    S.unwell = unwell
  end
  return unwell
end

-- Reads the rests of models at once; what is known already stays.
function F.fetch_rests(models)
  local unread, seen = {}, {}
  for _, model in ipairs(models) do
    if not (S.rests[model] or seen[model]) then
      unread[#unread + 1], seen[model] = model, true
    end
  end
  for from = 1, #unread, C.ARGUMENTS_MAX do
    local last = min(from + C.ARGUMENTS_MAX - 1, #unread)
    local found = call('HMGET', COOLDOWNS, unpack(unread, from, last))
    for at, text in ipairs(found) do
      local rows = text and F.read_rests(text, 1) or {}
      S.rests[unread[from + at - 1]] = { rows = rows, changed = false }
    end
  end
end

function F.has_model_rests()
  if S.pool.cooling == 0 then return false end
  local unwell = F.unwell()
  return unwell.models + unwell.idle + unwell.missing > 0
end

-- The rests of a model: those of all that the batch names are read with the first.
function F.rests_of(model)
  local group = S.rests[model]
  if group then return group end
  if not F.has_model_rests() then
    group = { rows = {}, changed = false }
    S.rests[model] = group
    return group
  end
  local models = { model }
  for at = 1, #S.batch[1] do models[at + 1] = F.class_of_batch(at).model end
  F.fetch_rests(models)
  return S.rests[model]
end

-- What may be in the way of a model: rests of keys, rests of its own; nil if nothing is.
function F.rests_for(model)
  if S.pool.cooling == 0 then return nil end
  local unwell, own = F.unwell().rows, F.rests_of(model).rows
  if next(unwell) == nil and next(own) == nil then return nil end
  return unwell, own
end

-- The group of a scope and its name there.
function F.place_of_scope(scope)
  if sub(scope, 1, 1) ~= 'm' then return F.unwell(), scope end
  local model, key = F.read_model_scope(scope)
  return F.rests_of(model), key
end

-- What is to be written of the text beside the core; nil: nothing. Models' texts are written.
function F.write_rests()
  if S.pool.cooling == 0 and next(S.rests) == nil then return nil end
  local set, gone, sets, removals = {}, {}, 0, 0
  for model, group in pairs(S.rests) do
    if group.changed and next(group.rows) then
      set[sets + 1], set[sets + 2] = model, F.pack_rests(group.rows)
      sets = sets + 2
    elseif group.changed then
      removals = removals + 1
      gone[removals] = model
    end
  end
  if removals > 0 then F.send('HDEL', COOLDOWNS, gone, removals) end
  if sets > 0 then F.send('HSET', COOLDOWNS, set, sets) end
  if S.pool.cooling == 0 then return nil end
  local unwell = S.unwell
  if not (unwell and unwell.changed) then return S.unwell_text end
  return pack(C.UNWELL_FORMAT, unwell.models, unwell.idle, unwell.missing, unwell.moment)
    .. F.pack_rests(unwell.rows)
end

function F.steps_of(row)
  if row.since < 0 then return 0 end
  return floor(max(S.now - row.since, 0) / max(S.claim_limit, 1))
end

-- How many may probe at once; nil: everybody may be granted it.
function F.admits(row)
  local steps = F.steps_of(row)
  if steps >= C.STEPS_MAX or row.missing then return nil end
  return 2 ^ steps
end

function F.blocked_until(row)
  if not row then return nil end
  if S.now < row.ends then return row.ends end
  local most = F.admits(row)
  if most and #row.probes >= 16 * most then return S.now end
  return nil
end

-- Since when a key may be used for a model: nil at once. Second: the endpoint is in the way.
function F.blocked(unwell, own, key)
  local endpoint = F.blocked_until(unwell[C.ENDPOINT])
  local ends = endpoint
  local of_key = F.blocked_until(unwell[F.key_scope(key)])
  if of_key and (not ends or of_key > ends) then ends = of_key end
  local of_model = F.blocked_until(own[key])
  if of_model and (not ends or of_model > ends) then ends = of_model end
  return ends, endpoint ~= nil
end

-- What is noted of the rests in the way of a class, each note once, in the order of its keys: of a key
-- that of the rest which ends last.
function F.notes(class)
  local unwell, own = F.rests_for(class.model)
  local scopes, notes, seen = {}, {}, {}
  for at, place in ipairs(F.places_of(class)) do
    local key = S.limits.names[place]
    local last, ends = '', nil
    if unwell then
      local scope = F.key_scope(key)
      local endpoint, of_key, of_model = unwell[C.ENDPOINT], unwell[scope], own[key]
      if endpoint then last, ends = C.ENDPOINT, endpoint.ends end
      if of_key and (not ends or of_key.ends >= ends) then last, ends = scope, of_key.ends end
      if of_model and (not ends or of_model.ends >= ends) then
        last = F.model_scope(key, class.model)
      end
    end
    scopes[at] = last
  end
  local found = {}
  for from = 1, #scopes, C.ARGUMENTS_MAX do
    local some = call('HMGET', NOTES, unpack(scopes, from, min(from + C.ARGUMENTS_MAX - 1, #scopes)))
    for at, note in ipairs(some) do found[from + at - 1] = note end
  end
  for at = 1, #scopes do
    local note = found[at] or ''
    if not seen[note] then
      seen[note], notes[#notes + 1] = true, note
    end
    if #notes == C.NOTES_MAX then break end
  end
  return notes
end

C.SHELF_COUNT = { 'models', 'idle', 'missing' }

function F.shelf_key(shelf)
  if shelf == C.SHELF_MODEL then return RESTS end
  if shelf == C.SHELF_IDLE then return IDLE end
  return MISSING
end

function F.take_off_shelf(scope, row)
  local shelf, unwell = row.shelf, F.unwell()
  unwell.changed = true
  if not shelf or shelf == C.SHELF_KEY then return end
  local count = C.SHELF_COUNT[shelf]
  unwell[count] = unwell[count] - 1
  F.remove(F.shelf_key(shelf), scope)
end

-- Puts a row where its next moment is.
function F.place_rest(scope, row)
  F.take_off_shelf(scope, row)
  local shelf, moment
  if row.missing then
    shelf, moment = C.SHELF_MISSING, row.ends
  elseif S.now < row.ends then
    shelf, moment = C.SHELF_MODEL, row.ends
  elseif row.probes ~= '' and F.admits(row) then
    shelf = C.SHELF_MODEL
    moment = F.plus(row.since, max(S.claim_limit, 1) * (F.steps_of(row) + 1))
  else
    local keep = max(S.max_cooldown, 1)
    shelf, moment = C.SHELF_IDLE, F.plus(row.ends, keep)
    if row.probes ~= '' then moment = max(moment, S.now + keep) end
  end
  local group, unwell = F.place_of_scope(scope), F.unwell()
  if group == unwell then
    shelf = C.SHELF_KEY
  else
    local count = C.SHELF_COUNT[shelf]
    unwell[count] = unwell[count] + 1
    F.enter(F.shelf_key(shelf), moment, scope)
  end
  row.shelf, row.moment = shelf, moment
  group.changed = true
  unwell.moment = min(unwell.moment, moment)
end

function F.remove_rest(scope)
  local group, name = F.place_of_scope(scope)
  local row = group.rows[name]
  if not row then return end
  F.take_off_shelf(scope, row)
  S.opened[#S.opened + 1] = scope
  group.rows[name], group.changed = nil, true
  S.pool.cooling = S.pool.cooling - 1
  if S.pool.cooling == 0 then F.unwell().moment = C.MAX end
  call('HDEL', NOTES, scope)
end

-- Makes a lease a probe of whatever it is granted on that is not known to be well: a sum of 1 for
-- the endpoint, 2 for the key, 4 for key and model.
function F.probe(id, key, model)
  if S.pool.cooling == 0 then return 0 end
  local mask, bit_of_scope = 0, 1
  for _, scope in ipairs({ C.ENDPOINT, F.key_scope(key), F.model_scope(key, model) }) do
    local group, name = F.place_of_scope(scope)
    local row = group.rows[name]
    if row and F.admits(row) then
      if row.since < 0 then row.since = S.now end
      row.probes = row.probes .. id
      if #row.probes >= 16 * F.admits(row) then S.has_closed = true end
      F.place_rest(scope, row)
      mask = mask + bit_of_scope
    end
    bit_of_scope = bit_of_scope * 2
  end
  return mask
end

function F.release_probe(id, scope)
  local group, name = F.place_of_scope(scope)
  local row = group.rows[name]
  if not row then return end
  for at = 1, #row.probes, 16 do
    if sub(row.probes, at, at + 15) == id then
      row.probes = sub(row.probes, 1, at - 1) .. sub(row.probes, at + 16)
      S.opened[#S.opened + 1] = scope
      return F.place_rest(scope, row)
    end
  end
end

-- Ends a lease's probes; where nothing was learnt another ticket may probe.
function F.release_probes(id, lease)
  local mask = lease.probes
  if mask == 0 or S.pool.cooling == 0 then return end
  if mask % 2 == 1 then F.release_probe(id, C.ENDPOINT) end
  if mask % 4 >= 2 then F.release_probe(id, F.key_scope(lease.key)) end
  if mask >= 4 then F.release_probe(id, F.model_scope(lease.key, lease.model)) end
end

-- Makes room for one more row of a key for a model.
function F.make_room(missing)
  local unwell, evicted = F.unwell(), nil
  if missing then
    if unwell.missing >= C.MISSING_MAX then evicted = F.range('ZRANGE', MISSING, 0, 0)[1] end
  elseif unwell.models + unwell.idle >= C.MODELS_MAX then
    evicted = F.range('ZRANGE', unwell.idle > 0 and IDLE or RESTS, 0, 0)[1]
  end
  if evicted then F.remove_rest(evicted) end
end

-- `health`: how long is asked, base, limit, note, whether the model may not exist.
function F.cool(scope, health, granted)
  local group, name = F.place_of_scope(scope)
  local of_model = group ~= F.unwell()
  local row = group.rows[name]
  -- What was learnt for real stays so.
  local missing = of_model and health[8] == 1 and (not row or row.missing)
  if of_model and (not row or row.missing ~= missing) then F.make_room(missing) end
  if not row then
    row = { ends = 0, growth = 0, since = -1, moment = 0, probes = '', shelf = false }
    S.pool.cooling = S.pool.cooling + 1
    group.rows[name] = row
  end
  local rest, limit = health[4], min(health[6], S.max_cooldown)
  if rest < 0 then
    -- Failures of one and the same moment count as one step.
    if row.growth == 0 or granted >= row.ends then
      row.growth = min(row.growth + 1, 4294967295)
    end
    rest = health[5] * 2 ^ min(row.growth - 1, 63)
  end
  row.since, row.probes, S.has_closed = -1, '', true
  row.ends = max(row.ends, F.plus(S.now, min(rest, limit)))
  -- Still on the shelf of what it was.
  F.take_off_shelf(scope, row)
  row.missing, row.shelf = missing, false
  F.place_rest(scope, row)
  local note = health[7]
  if note == '' then call('HDEL', NOTES, scope) else call('HSET', NOTES, scope, note) end
end

-- Learns from an attempt that has had its key since `granted`.
function F.learn(outcome, granted)
  for _, health in ipairs(outcome) do
    local is_well, scope, key = health[1] == 1, health[2], health[3]
    if scope == C.ENDPOINT or S.limits.places[key] then
      if not is_well then
        F.cool(scope, health, granted)
      elseif S.pool.cooling > 0 then
        local group, name = F.place_of_scope(scope)
        local row = group.rows[name]
        if row and granted >= row.ends then F.remove_rest(scope) end
      end
    end
  end
end

function F.pass_moment(scope)
  local group, name = F.place_of_scope(scope)
  local row = group.rows[name]
  if not row then return end
  local is_over = row.probes == '' and F.plus(row.ends, max(S.max_cooldown, 1)) <= S.now
  if is_over or (row.missing and row.ends <= S.now) then
    F.remove_rest(scope)
  else
    F.place_rest(scope, row)
    S.opened[#S.opened + 1] = scope
  end
end

-- Does what is due: drops rows whose rest ended long ago, unless they are being probed, and goes to the
-- next moment of the others.
function F.sweep_rests()
  if S.pool.cooling == 0 then return end
  local unwell = F.unwell()
  if S.now < unwell.moment then return end
  local due = {}
  for scope, row in pairs(unwell.rows) do
    if row.moment <= S.now then due[#due + 1] = scope end
  end
  for _, scope in ipairs(due) do F.pass_moment(scope) end
  for shelf = C.SHELF_MODEL, C.SHELF_MISSING do
    if unwell[C.SHELF_COUNT[shelf]] > 0 then
      local found = F.range('ZRANGEBYSCORE', F.shelf_key(shelf), '-inf', S.now, 'LIMIT', 0, C.DUE_MAX)
      local models = {}
      for at, scope in ipairs(found) do models[at] = F.read_model_scope(scope) end
      F.fetch_rests(models)
      for _, scope in ipairs(found) do F.pass_moment(scope) end
    end
  end
  if S.pool.cooling == 0 then return end
  local moment = C.MAX
  for _, row in pairs(unwell.rows) do moment = min(moment, row.moment) end
  for shelf = C.SHELF_MODEL, C.SHELF_MISSING do
    if unwell[C.SHELF_COUNT[shelf]] > 0 then
      moment = min(moment, F.first_score(F.shelf_key(shelf), '-inf'))
    end
  end
  unwell.moment, unwell.changed = moment, true
end
