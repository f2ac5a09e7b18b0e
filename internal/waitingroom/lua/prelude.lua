-- What every script starts with, behind the constants of the configuration: grace, abandon, session, interval,
-- idle and settings_ttl, all in milliseconds, and channel. All keys belong to one show and share its hash tag.
-- ARGV[1]: the time, or 0. ARGV[2]: show. ARGV[3]: '' or its settings: mode, cap, batch and version.
local conf, room, queue, away = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local seen, active, marks, admits = KEYS[5], KEYS[6], KEYS[7], KEYS[8]

-- One clock for all instances: Redis' own, unless a test gives the time. Milliseconds everywhere.
local now = tonumber(ARGV[1])
if now == 0 then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local show = ARGV[2]

-- The caller brings the settings when an earlier answer said that they are missing, or when an
-- admin changed them. An older version never replaces a newer one.
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

-- Codes of answers.
local MISSING, NONE, WAITING, ADMITTED = -1, 0, 1, 2

-- Buckets of 10 seconds count admissions; the rate looks back 18 of them.
local BUCKET, WINDOW = 10000, 18

-- Adds a member; a key that this creates gets its time to live.
local function add(key, score, member)
  redis.call('ZADD', key, score, member)
  if redis.call('ZCARD', key) == 1 then
    redis.call('PEXPIRE', key, idle)
  end
end

-- Keeps the keys of a room in use from running out, at most every 10 seconds.
local function keep()
  local kept = tonumber(redis.call('HGET', room, 'kept') or 0)
  if math.abs(now - kept) < 10000 then return end
  redis.call('HSET', room, 'kept', now)
  for _, key in ipairs({room, queue, away, seen, active, marks, admits}) do
    redis.call('PEXPIRE', key, idle)
  end
end

local function forget(user)
  redis.call('ZREM', queue, user)
  redis.call('ZREM', away, user)
  redis.call('ZREM', seen, user)
end

-- A sign of life. Answers the sequence number of the user's place, or nil without one. Who was
-- away comes back with the number that they had.
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

-- Until when the user is admitted, or nil.
local function admitted(user)
  local ends = tonumber(redis.call('ZSCORE', active, user) or 0)
  if ends > now then return ends end
  return nil
end

-- How many are admitted at this instant, whether or not anybody has tidied up.
local function occupied()
  return redis.call('ZCOUNT', active, '(' .. now, '+inf')
end

-- Removes up to limit admissions that have run out.
local function purge(limit)
  local over = redis.call('ZRANGEBYSCORE', active, '-inf', now, 'LIMIT', 0, limit)
  if #over > 0 then redis.call('ZREM', active, unpack(over)) end
  return #over
end

local function waiting()
  return redis.call('ZCARD', queue) + redis.call('ZCARD', away)
end

-- Counts n admissions under a name: 'a' all of them, 'q' those out of the queue.
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

-- Tells one caller, in an interval, to see to it that a tick is scheduled: when none is known of,
-- or when the one that was expected is more than an interval late.
local function arm()
  local due = tonumber(redis.call('HGET', room, 'due') or 0)
  if now < due + interval + interval / 2 and due <= now + 2 * interval then return 0 end
  redis.call('HSET', room, 'due', now - now % interval + interval)
  return 1
end

-- What an answer starts with: code, time, whether to schedule a tick, the epoch of the places,
-- admissions per million seconds (0 is unknown), users who hold a place.
local function header(code)
  local holders = waiting()
  local scheduled = 0
  if holders > 0 then scheduled = arm() end
  local facts = redis.call('HMGET', room, 'epoch', 'rate', 'tick')
  local rate = tonumber(facts[2] or 0)
  if now - tonumber(facts[3] or 0) > 10 * interval then rate = 0 end
  return {code, now, scheduled, tonumber(facts[1] or 0), rate, holders}
end
