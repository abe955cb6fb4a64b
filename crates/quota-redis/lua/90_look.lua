-- A look at a pool, as far as one model is concerned: `weir_quota::Machine::sight` in Lua.
--
-- keys, args  as of a hello; [5] the model.
-- reply       '' if there is no such pool, 'corrupt ...', or packed the fields that `src/look.rs` reads.
--
-- It writes nothing. Where the server has functions it is declared as one that does not, and the server
-- sees to it.

function F.seen_rest(found, kind, key, row, scope)
  if not row then return end
  found[#found + 1] = { kind, key, F.from_now(row.ends), #row.probes / 16, F.admits(row) or -1,
    row.missing and 1 or 0, call('HGET', NOTES, scope) or '' }
end

function F.seen_rests(model)
  local found, unwell, own = {}, F.rests_for(model)
  if not unwell then return found end
  for name, row in pairs(unwell) do
    if name == C.ENDPOINT then
      F.seen_rest(found, 0, '', row, name)
    else
      F.seen_rest(found, 1, sub(name, 2), row, name)
    end
  end
  for key, row in pairs(own) do F.seen_rest(found, 2, key, row, F.model_scope(key, model)) end
  return found
end

-- Slots in use, by the places of the limits' keys; kinds of request that wait, and how many of each do.
function F.seen_ids()
  local slots, held, digests, waiting = {}, {}, {}, {}
  for at = 1, #S.limits.names do slots[at] = 0 end
  for _, id in ipairs(F.ids_of_router(nil)) do
    local lease, ticket = F.lease_of(id), F.ticket_of(id)
    local place = lease and S.limits.places[lease.key]
    if place then slots[place] = slots[place] + 1 end
    if ticket then
      if not held[ticket.class] then digests[#digests + 1] = ticket.class end
      held[ticket.class] = (held[ticket.class] or 0) + 1
    end
  end
  F.fetch_classes(digests)
  for at, digest in ipairs(digests) do
    waiting[at] = { S.classes[digest].class.blob, held[digest] }
  end
  return slots, waiting
end

local function see()
  F.load_core()
  if not S.pool.called then return '' end
  F.advance()
  local lags = {}
  for at, lag in ipairs(F.lags()) do lags[at] = string.format('%.17g', lag) end
  local slots, waiting = F.seen_ids()
  return cmsgpack.pack({ F.in_force(), lags, S.debts or {}, slots, S.pool.leases, waiting,
    F.seen_rests(S.args[5]), S.pool.routers, S.grace and 1 or 0 })
end

-- Who takes what is no pool for lost is the next batch, not a look.
local function look(keys, args)
  F.begin(keys, args)
  local is_done, found = pcall(see)
  if is_done then return found end
  return 'corrupt ' .. sub(type(found) == 'table' and found.err or tostring(found), 1, 200)
end
