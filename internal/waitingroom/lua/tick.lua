-- Removes places that were abandoned, then admits users from the head of the queue. It may run any number
-- of times in an interval, from any instance: together they admit one batch. ARGV[4]: the most entries that
-- one run touches. Returns a header, then users admitted, moved away and removed, and 1 if there is more to do.
if not mode then return {MISSING} end
local budget = tonumber(ARGV[4])

purge(1000)

local removed = 0
local lost = redis.call('ZRANGEBYSCORE', seen, '-inf', '(' .. (now - abandon), 'LIMIT', 0, math.min(budget, 2000))
if #lost > 0 then
  redis.call('ZREM', queue, unpack(lost))
  redis.call('ZREM', away, unpack(lost))
  redis.call('ZREM', seen, unpack(lost))
  removed = #lost
  budget = budget - removed
end

local start = now - now % interval
local state = redis.call('HMGET', room, 'start', 'done', 'since', 'dirty')
local done = 0
if tonumber(state[1] or -1) == start then done = tonumber(state[2]) end

local free = 0
if mode == 'passthrough' then
  free = redis.call('ZCARD', queue)
elseif mode ~= 'closed' then
  free = math.max(0, math.min(batch - done, cap - occupied()))
end

-- Walk the head in chunks: users who were seen lately are admitted, the others are moved away, once.
local let_in, moved = 0, 0
while free > let_in and budget > 0 do
  local chunk = math.min(budget, math.max(free - let_in, 50), 1000)
  local heads = redis.call('ZRANGE', queue, 0, chunk - 1, 'WITHSCORES')
  if #heads == 0 then break end
  local users = {}
  for i = 1, #heads, 2 do users[#users + 1] = heads[i] end
  local lasts = redis.call('ZMSCORE', seen, unpack(users))

  local ends, starts, passed, leaving, left = {}, {}, {}, {}, {}
  for i, user in ipairs(users) do
    if now - tonumber(lasts[i] or 0) <= grace then
      if let_in == free then break end
      let_in = let_in + 1
      append(ends, now + session, user)
      append(starts, user, now)
      passed[#passed + 1] = user
    else
      moved = moved + 1
      -- Without a time, because Redis evicted the key, the place could never count as abandoned.
      if not lasts[i] then add(seen, now - grace, user) end
      append(leaving, heads[2 * i], user)
      left[#left + 1] = user
    end
  end
  if #passed > 0 then
    redis.call('ZADD', active, unpack(ends))
    redis.call('PEXPIRE', active, idle)
    redis.call('HSET', began, unpack(starts))
    redis.call('PEXPIRE', began, idle)
    redis.call('ZREM', queue, unpack(passed))
    redis.call('ZREM', seen, unpack(passed))
  end
  if #left > 0 then
    redis.call('ZADD', away, unpack(leaving))
    redis.call('PEXPIRE', away, idle)
    redis.call('ZREM', queue, unpack(left))
  end
  budget = budget - #passed - #left
end

local holders = waiting()
local more = 0
if budget <= 0 and holders > 0 then more = 1 end
if let_in > 0 then count('a', let_in) end

-- The rate is that of admissions out of the queue, since the first tick that found one, which does not count
-- itself, and at most WINDOW back. It changes with admissions alone, so that estimates count down between them.
local since = tonumber(state[3] or 0)
if holders == 0 or mode == 'closed' then
  if since > 0 then
    redis.call('HDEL', room, 'since', 'rate', 'moved')
    for _, field in ipairs(redis.call('HKEYS', admits)) do
      if string.sub(field, 1, 1) == 'q' then redis.call('HDEL', admits, field) end
    end
  end
elseif since == 0 then
  if more == 0 then redis.call('HSET', room, 'since', now) end
elseif let_in > 0 then
  count('q', let_in)
  local bucket = math.floor(now / BUCKET)
  local from = math.max(since, (bucket - WINDOW + 1) * BUCKET)
  local total = 0
  local fields = redis.call('HGETALL', admits)
  for i = 1, #fields, 2 do
    local index = tonumber(string.sub(fields[i], 2))
    if string.sub(fields[i], 1, 1) == 'q' and index > bucket - WINDOW and index <= bucket then
      total = total + tonumber(fields[i + 1])
    end
  end
  local rate = 0
  if now - from >= 5 * interval then rate = math.floor(total * 1e9 / (now - from)) end
  redis.call('HSET', room, 'rate', rate, 'moved', now)
end

if holders > 0 or let_in > 0 or state[1] then
  redis.call('HSET', room, 'start', start, 'done', done + let_in, 'tick', now)
  if holders > 0 then
    redis.call('HSET', room, 'due', start + interval) -- the caller schedules it
    -- Marks older than the oldest place are not needed any more.
    local oldest
    for _, key in ipairs({queue, away}) do
      local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
      if head[2] and (not oldest or tonumber(head[2]) < oldest) then oldest = tonumber(head[2]) end
    end
    local mark = redis.call('ZREVRANGEBYSCORE', marks, oldest, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if mark[2] then redis.call('ZREMRANGEBYSCORE', marks, '-inf', '(' .. mark[2]) end
  else
    redis.call('HDEL', room, 'due', 'mark')
    redis.call('DEL', marks)
  end
  keep()
end

if let_in + moved + removed > 0 or state[4] then
  redis.call('HDEL', room, 'dirty')
  redis.call('PUBLISH', channel, show)
end

return append(header(NONE), let_in, moved, removed, more)
