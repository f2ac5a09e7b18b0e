-- ARGV[4]: user. ARGV[5]: 'place' gives up place and admission; 'admission' that one alone.
-- KEYS[9] and on: the locks of seats that end with it, if they carry the token ARGV[6].
if #KEYS > 8 then give(9, ARGV[6]) end
-- The free slot stays free until a tick: no newcomer can take it from those who wait.
if not mode and ARGV[5] == 'place' then return {MISSING} end
local user = ARGV[4]
local gone = redis.call('ZREM', active, user)
if ARGV[5] == 'place' and redis.call('ZSCORE', seen, user) then
  forget(user)
  redis.call('HSET', room, 'dirty', 1)
  keep()
  gone = 1
end
if gone == 0 then return {NONE, now, 0} end
redis.call('PUBLISH', channel, show .. ':' .. user)
local scheduled = 0
if waiting() > 0 then scheduled = arm() end
return {NONE, now, scheduled}
