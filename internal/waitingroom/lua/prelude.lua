-- Every script begins with the constants of the configuration (grace, abandon, session, interval, idle and
-- settings_ttl, in milliseconds, and channel) and then this file. All keys are of one show.
-- ARGV[1]: the time, or 0. ARGV[2]: show. ARGV[3]: its settings "mode cap batch version", or ''.
local conf, room, queue, away, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local active, began, marks, admits = KEYS[6], KEYS[7], KEYS[8], KEYS[9]

-- All instances use the clock of Redis; only tests pass a time. Milliseconds everywhere.
local now = tonumber(ARGV[1])
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local show = ARGV[2]

-- The caller passes the settings after a reply of MISSING, or when an admin has changed them. An older
-- version never replaces a newer one.
if ARGV[3] ~= '' then
  local set = {string.match(ARGV[3], '^(%S+) (%S+) (%S+) (%S+)$')}
  local version = redis.call('HGET', conf, 'version')
  if not version or tonumber(set[4]) >= tonumber(version) then
    redis.call('HSET', conf, 'mode', set[1], 'cap', set[2], 'batch', set[3], 'version', set[4])
    redis.call('PEXPIRE', conf, settings_ttl)
  end
end
local settings = redis.call('HMGET', conf, 'mode', 'cap', 'batch')
local mode, cap, batch = settings[1], tonumber(settings[2] or 0), tonumber(settings[3] or 0)

-- Codes of replies. GONE is the reply for a deleted show, CROWDED for a client whose network has too many users.
local CROWDED, GONE, MISSING, NONE, WAITING, ADMITTED = -3, -2, -1, 0, 1, 2
if mode == 'gone' then return {GONE} end

-- Admissions are counted in buckets of 10 seconds; the rate is that of the last 18 of them.
local BUCKET, WINDOW = 10000, 18

-- Adds a member; a new key gets its time to live.
local function add(key, score, member)
  redis.call('ZADD', key, score, member)
  if redis.call('ZCARD', key) == 1 then
    redis.call('PEXPIRE', key, idle)
  end
end

-- Extends the time to live of the keys of a room in use, at most every 10 seconds.
local function keep()
  local kept = tonumber(redis.call('HGET', room, 'kept') or 0)
  if math.abs(now - kept) < 10000 then return end
  redis.call('HSET', room, 'kept', now)
  for _, key in ipairs({room, queue, away, seen, active, began, marks, admits}) do
    redis.call('PEXPIRE', key, idle)
  end
end

-- Removes the place of a user.
local function forget(user)
  redis.call('ZREM', queue, user)
  redis.call('ZREM', away, user)
  redis.call('ZREM', seen, user)
end

-- Records a sign of life. Returns the sequence number of the user's place, or nil without one. Users who
-- were away return to the queue with their number.
local function touch(user)
  local last = redis.call('ZSCORE', seen, user)
  if not last then return nil end
  if now - tonumber(last) > abandon then
    forget(user)
    redis.call('HSET', room, 'dirty', 1)
    return nil
  end
  redis.call('ZADD', seen, now, user)
  local seq = redis.call('ZSCORE', queue, user)
  if not seq then
    seq = redis.call('ZSCORE', away, user)
    if not seq then
      redis.call('ZREM', seen, user)
      return nil
    end
    redis.call('ZREM', away, user)
    add(queue, seq, user)
    redis.call('HSET', room, 'dirty', 1)
  end
  return tonumber(seq)
end

-- Returns when the user's admission ends, or nil without one.
local function admitted(user)
  local ends = tonumber(redis.call('ZSCORE', active, user) or 0)
  if ends > now then return ends end
  return nil
end

-- Ends the user's admission. Returns 0 if there was none. The slot stays free until a tick, so that no
-- newcomer takes it from those who wait.
local function dismiss(user)
  redis.call('HDEL', began, user)
  return redis.call('ZREM', active, user)
end

-- Returns how many users are admitted, expired admissions not counted.
local function occupied()
  return redis.call('ZCOUNT', active, '(' .. now, '+inf')
end

-- Removes up to limit expired admissions.
local function purge(limit)
  local expired = redis.call('ZRANGEBYSCORE', active, '-inf', now, 'LIMIT', 0, limit)
  if #expired > 0 then
    redis.call('ZREM', active, unpack(expired))
    redis.call('HDEL', began, unpack(expired))
  end
end

local function waiting()
  return redis.call('ZCARD', queue) + redis.call('ZCARD', away)
end

-- Counts n admissions: 'a' for all of them, 'q' for those out of the queue.
local function count(name, n)
  local bucket = math.floor(now / BUCKET)
  if redis.call('HINCRBY', admits, name .. bucket, n) == n then
    redis.call('PEXPIRE', admits, idle)
    for _, field in ipairs(redis.call('HKEYS', admits)) do
      if math.abs(bucket - tonumber(string.sub(field, 2))) > WINDOW then
        redis.call('HDEL', admits, field)
      end
    end
  end
end

-- Returns 1 for the one caller in an interval that is to schedule a tick: if none is known, or the expected
-- one is more than one and a half intervals late.
local function arm()
  local due = tonumber(redis.call('HGET', room, 'due') or 0)
  if now < due + interval + interval / 2 and due <= now + 2 * interval then return 0 end
  redis.call('HSET', room, 'due', now - now % interval + interval)
  return 1
end

-- Returns what a reply begins with: code, time, whether to schedule a tick, users who hold a place, the salt
-- of the queue, admissions per million seconds (0 is unknown) and when the last of them was.
local function header(code)
  local holders = waiting()
  local scheduled = 0
  if holders > 0 then scheduled = arm() end
  local facts = redis.call('HMGET', room, 'salt', 'rate', 'moved', 'tick')
  local rate, moved = tonumber(facts[2] or 0), tonumber(facts[3] or 0)
  -- Without ticks, or when nothing has moved for so long, nobody can say how long it will take.
  if now - tonumber(facts[4] or 0) > 10 * interval or now - moved > WINDOW * BUCKET then rate = 0 end
  return {code, now, scheduled, holders, facts[1] or '', rate, moved}
end

-- Appends values to a reply.
local function append(reply, ...)
  for _, value in ipairs({...}) do reply[#reply + 1] = value end
  return reply
end

-- Publishes that one user's state has changed, and returns the reply to that user.
local function changed(user)
  redis.call('PUBLISH', channel, show .. ':' .. user)
  local scheduled = 0
  if waiting() > 0 then scheduled = arm() end
  return {NONE, now, scheduled}
end
