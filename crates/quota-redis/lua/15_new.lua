-- Whether a pool that is not there is a new one, or what it held was lost: what the server itself knows.
--
-- A pool's keys go only with the server's process, with a command that empties it, with an eviction, or
-- by somebody's hand. A server that has seen nothing of that since it started has never had the pool in
-- this life of it; who holds something of an earlier life speaks soon after the start. Nothing of this
-- is believed where another clock than the server's counts, or where it does not say.

-- Commands after which a pool may be missing that was there, or after which they are not counted.
C.EMPTYING = { 'flushall', 'flushdb', 'swapdb', 'debug', 'replicaof', 'slaveof', 'failover',
  'config|resetstat', 'cluster|reset', 'migrate', 'move' }

function F.info(section)
  local found = redis.pcall('INFO', section)
  return type(found) == 'string' and found or ''
end

function F.info_number(text, name)
  return tonumber(string.match(text, name .. ':(%-?%d+)'))
end

-- Microseconds since when the pool is known not to have been there; nil if that is not known.
function F.absent_for()
  if S.clock >= 0 or S.past >= 2 or S.was_there or call('EXISTS', unpack(ALL)) > 0 then return nil end
  local uptime = F.info_number(F.info('server'), 'uptime_in_seconds')
  local evicted = F.info_number(F.info('stats'), 'evicted_keys')
  local replication, commands = F.info('replication'), F.info('commandstats')
  if not uptime or evicted ~= 0 or commands == '' then return nil end
  if not string.find(replication, 'role:master', 1, true) then return nil end
  if F.info_number(replication, 'second_repl_offset') ~= -1 then return nil end
  for _, name in ipairs(C.EMPTYING) do
    if string.find(commands, 'cmdstat_' .. name .. ':', 1, true) then return nil end
  end
  -- Whole seconds, of which the last has not passed.
  return max(uptime - 1, 0) * 1000000
end

-- Begins the grace of a pool that was found empty.
function F.begin_empty()
  local absent_for = F.absent_for()
  if not absent_for then return F.start_grace({}, true) end
  local speak_within = F.plus(floor(S.ttl / 4), S.claim_limit)
  if absent_for < speak_within then
    S.grace = { ends = F.plus(S.now, speak_within - absent_for), was_empty = true, awaited = {} }
  end
end
