-- The step itself.

C.HANDED_OFF, C.REFUSED = 1, 2

-- When something can change for the caller's own tickets without a command, relative to now; -1: never.
function F.wake_in()
  if S.grace then return max(F.from_now(S.grace.ends), 1) end
  if S.pool.tickets == 0 then return -1 end
  local own, moment = F.waiting_of(S.router), C.MAX + 1
  if own.delayed > 0 then
    local found = F.range('ZRANGE', DELAYED, 0, C.OWN_DELAYS_MAX - 1, 'WITHSCORES')
    if #found == 0 then error(C.LOST) end
    for at = 1, #found, 2 do
      moment = tonumber(found[at + 1])
      if F.owner_of(found[at]) == S.router then break end
    end
  end
  if own.listed > 0 and S.pool.leases > 0 then moment = min(moment, F.next_end()) end
  if own.resting > 0 and S.pool.cooling > 0 then moment = min(moment, F.unwell().moment) end
  if own.listed + own.resting > 0 and F.is_unfinished() then moment = S.now end
  if moment > C.MAX then return -1 end
  return max(F.from_now(moment), 1)
end

function F.events()
  if next(S.news) == nil and next(S.told) == nil then return {} end
  local found, ids = {}, F.ids_of_news()
  F.fetch(ids)
  for _, id in ipairs(ids) do
    local ticket, number = F.ticket_of(id), sub(id, 9)
    local lease = F.lease_of(id)
    if ticket and ticket.stage == C.WAITS_LEAVE then
      local ends = ticket.ends < 0 and -1 or F.from_now(ticket.ends)
      local notes = F.notes(F.class_of_digest(ticket.class))
      found[#found + 1] = { C.REFUSED, number, ends, ticket.reason, notes }
    elseif lease then
      local claimed = lease.claimed and 1 or 0
      found[#found + 1] = { C.HANDED_OFF, number, lease.key, lease.arrival, claimed }
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
    if S.pool.called and S.run ~= run then
      F.wipe()
      S.was_there = true
    end
    S.run = run
  end
  F.advance()
  if F.is_stale() then return 'stale' end
  F.note_gap()
  if not S.pool.called then call('DEL', unpack(ALL)) end
  S.pool.called = S.now
  local was_silent, last_words = F.is_silent(S.router), F.hear()
  F.begin_walk()
  F.read_news()
  if last_words then F.doubt(last_words) end
  F.end_grace()
  F.sweep()
  if F.set_lapsed(S.router, false) or was_silent then F.thaw(false) end
  F.claim_offered()
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
  -- So that nobody takes it for a new one.
  call('HSET', ROWS, 'thrown_away', 1)
  return 'corrupt ' .. sub(why, 1, 200)
end
