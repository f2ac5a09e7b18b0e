-- Lets a user pass, and takes the locks that they want, or gives them a place. ARGV as in pass.lua.
-- Answers a header, then state, until (admitted) or sequence number (waiting), rank; for an
-- admitted user then the places (from 1) of those locks that somebody has; with none they are taken.
if not mode then return {MISSING} end
local user = ARGV[4]

local ends = admitted(user)
if ends then return welcome(now, ends) end

local seq = touch(user)
if mode == 'passthrough'
  or (mode == 'auto' and not seq and waiting() == 0 and occupied() < cap) then
  if seq then
    forget(user)
    redis.call('HSET', room, 'dirty', 1)
  end
  add(active, now + session, user)
  purge(10)
  count('a', 1)
  keep()
  redis.call('PUBLISH', channel, show .. ':' .. user)
  return welcome(now, now + session)
end

if not seq then
  redis.call('HSETNX', room, 'epoch', now)
  seq = redis.call('HINCRBY', room, 'seq', 1)
  add(queue, seq, user)
  add(seen, now, user)
  -- When was a number given? A mark a second answers that without a join time for every user.
  if math.abs(now - tonumber(redis.call('HGET', room, 'mark') or 0)) >= 1000 then
    redis.call('HSET', room, 'mark', now)
    add(marks, seq, now)
  end
  redis.call('PUBLISH', channel, show .. ':' .. user)
end
keep()

local answer = header(NONE)
answer[7], answer[8], answer[9] = WAITING, seq, redis.call('ZRANK', queue, user)
return answer
