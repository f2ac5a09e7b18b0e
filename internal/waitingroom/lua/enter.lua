-- Admits a user, or gives them a place in the queue, unless their network has too many users in this room.
-- ARGV[4]: user. ARGV[5]: salt of a new queue. ARGV[6] and on: the most users of each network of the client, whose
-- sets of users are KEYS[10] and on.
-- Returns a header, then state, end of the admission or sequence number of the place, and rank.
if not mode then return {MISSING} end
local user = ARGV[4]

local ends = admitted(user)
if ends then return append(header(NONE), ADMITTED, ends, 0) end

local seq = touch(user)
local networks = #KEYS - 9
if seq or mode == 'passthrough' then networks = 0 end
for i = 1, networks do
  local key, most = KEYS[9 + i], tonumber(ARGV[5 + i])
  if redis.call('SCARD', key) >= most and redis.call('SISMEMBER', key, user) == 0 then
    -- A few at a time: a network that keeps asking must not keep Redis busy.
    for _, member in ipairs(redis.call('SRANDMEMBER', key, 50)) do
      if not redis.call('ZSCORE', seen, member) and not admitted(member) then redis.call('SREM', key, member) end
    end
    if redis.call('SCARD', key) >= most then return {CROWDED} end
  end
end
for i = 1, networks do
  redis.call('SADD', KEYS[9 + i], user)
  redis.call('PEXPIRE', KEYS[9 + i], 86400000) -- a day: who stays must not be forgotten
end

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
