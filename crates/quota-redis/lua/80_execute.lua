-- The step itself.

C.HANDED_OFF, C.REFUSED = 1, 2

-- When something can change without a command, relative to now; -1: never.
function F.wake_in()
  if S.grace then return max(F.from_now(S.grace.ends), 1) end
  if S.pool.tickets == 0 then return -1 end
  local moment = C.MAX + 1
  if S.pool.delayed > 0 then moment = F.first_score(DELAYED, '-inf') end
  if S.pool.leases > 0 then moment = min(moment, F.next_end()) end
  if S.pool.cooling > 0 then moment = min(moment, F.first_score(RESTS, F.beyond(S.now))) end
  if moment > C.MAX then return -1 end
  return max(F.from_now(moment), 1)
end

function F.events()
  local found = {}
  for _, id in ipairs(F.news()) do
    local ticket, number = F.ticket_of(id), sub(id, 9)
    if ticket.stage == C.WAITS_LEAVE then
      local ends = ticket.ends < 0 and -1 or F.from_now(ticket.ends)
      local notes = F.notes(F.class_of_digest(ticket.class))
      found[#found + 1] = { C.REFUSED, number, ends, ticket.reason, notes }
    else
      found[#found + 1] = { C.HANDED_OFF, number, F.lease_of(id).key, ticket.arrival }
    end
  end
  return found
end

function F.status()
  local pool = S.pool
  local waiting = max(pool.tickets - (pool.leases - pool.claimed), 0)
  return { pool.leases, waiting, pool.routers, pool.cooling, S.limits.hash }
end

local function step()
  F.load_core()
  if S.check_run then
    local run = F.run_of_server()
    -- Another server, or the same with what it had saved: leases may have changed since.
    if S.pool.called and S.run ~= run then F.wipe() end
    S.run = run
  end
  if F.is_stale() then return 'stale' end
  if not S.pool.called then call('DEL', unpack(ALL)) end

  F.advance()
  F.note_gap()
  S.pool.called = S.now
  F.hear()
  F.end_grace()
  F.sweep()
  F.set_lapsed(S.router, false)
  F.hand_out()
  local answers = {}
  for at, command in ipairs(S.batch[2]) do
    answers[at] = F.VERBS[command[1]](command)
    F.hand_out()
  end
  local reply = { S.now, F.wake_in(), S.grace and 1 or 0, S.session, F.status(), answers, F.events(),
    S.rung }
  F.write_rows(F.pack_core(), F.pack_routers())
  if #S.rung > 0 then
    local routers = S.router .. table.concat(S.rung)
    call('PUBLISH', S.args[3], pack('>I2', #S.rung) .. routers .. S.args[4])
  end
  -- One string costs less to send and to read than an array of arrays.
  return cmsgpack.pack(reply)
end

-- What is stored can be something that this text never wrote: then nothing of it may be believed, and
-- the pool is found empty, which has its routers say again what they hold before anything is granted.
-- What the server says of itself (no memory, a replica, not allowed) is told as it came.
local function execute(keys, args)
  F.begin(keys, args)
  local is_done, found = pcall(step)
  if is_done then return found end
  local is_servers = type(found) == 'table'
  local why = is_servers and (found.err or 'an error without a text') or tostring(found)
  if is_servers and not string.find(why, 'WRONGTYPE', 1, true) then return found end
  call('DEL', unpack(ALL))
  return 'corrupt ' .. sub(why, 1, 200)
end
