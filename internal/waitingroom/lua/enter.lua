-- Admits a user, or gives them a place in the queue. ARGV[4]: user. ARGV[5]: salt of a new queue.
-- Returns a header, then state, end of the admission or sequence number of the place, and rank.
if not mode then return {MISSING} end
local user = ARGV[4]

local ends = admitted(user)
if ends then return append(header(NONE), ADMITTED, ends, 0) end

local seq = touch(user)
if mode == 'passthrough'
  or (mode == 'auto' and not seq and waiting() == 0 and occupied() < cap) then
  if seq then
    forget(user)
    redis.call('HSET', room, 'dirty', 1)
  end
  add(active, now + session, user)
  redis.call('HSET', began, user, now)
  redis.call('PEXPIRE', began, idle)
  purge(10)
  count('a', 1)
  keep()
  redis.call('PUBLISH', channel, show .. ':' .. user)
  return append(header(NONE), ADMITTED, now + session, 0)
end

if not seq then
  redis.call('HSETNX', room, 'salt', ARGV[5])
  seq = redis.call('HINCRBY', room, 'seq', 1)
  add(queue, seq, user)
  add(seen, now, user)
  -- One mark a second says when a number was given, without a time for every user.
  if math.abs(now - tonumber(redis.call('HGET', room, 'mark') or 0)) >= 1000 then
    redis.call('HSET', room, 'mark', now)
    add(marks, seq, now)
  end
  redis.call('PUBLISH', channel, show .. ':' .. user)
end
keep()
return append(header(NONE), WAITING, seq, redis.call('ZRANK', queue, user))
