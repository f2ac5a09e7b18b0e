-- One tick: drops who abandoned their place, then admits from the head of the queue. It may run
-- any number of times in an interval, from any number of instances: all of them together admit one
-- batch. ARGV[4]: bound on the entries that one run touches.
-- Answers a header, then admitted, moved away, dropped, whether there is more to do at once.
if not mode then return {MISSING} end
local budget = tonumber(ARGV[4])

purge(1000)

local dropped = 0
local lost = redis.call('ZRANGEBYSCORE', seen, '-inf', '(' .. (now - abandon), 'LIMIT', 0, math.min(budget, 2000))
if #lost > 0 then
  redis.call('ZREM', queue, unpack(lost))
  redis.call('ZREM', away, unpack(lost))
  redis.call('ZREM', seen, unpack(lost))
  dropped = #lost
  budget = budget - dropped
end

local start = now - now % interval
local state = redis.call('HMGET', room, 'start', 'done', 'since', 'dirty')
local done = 0
if tonumber(state[1] or -1) == start then done = tonumber(state[2]) end

local room_for = 0
if mode == 'passthrough' then
  room_for = redis.call('ZCARD', queue)
elseif mode ~= 'closed' then
  room_for = math.max(0, math.min(batch - done, cap - occupied()))
end

-- Walk the head in chunks: who was seen lately is admitted, who was not is moved away, once.
local let_in, moved = 0, 0
while room_for > let_in and budget > 0 do
  local chunk = math.min(budget, math.max(room_for - let_in, 50), 1000)
  local heads = redis.call('ZRANGE', queue, 0, chunk - 1, 'WITHSCORES')
  if #heads == 0 then break end
  local users = {}
  for i = 1, #heads, 2 do users[#users + 1] = heads[i] end
  local lasts = redis.call('ZMSCORE', seen, unpack(users))

  local passing, passed, leaving, left = {}, {}, {}, {}
  for i, user in ipairs(users) do
    if now - tonumber(lasts[i] or 0) <= grace then
      if let_in == room_for then break end
      let_in = let_in + 1
      passing[#passing + 1], passing[#passing + 2] = now + session, user
      passed[#passed + 1] = user
    else
      moved = moved + 1
      -- Without a time (Redis evicted the key) nobody could ever be found to have abandoned it.
      if not lasts[i] then add(seen, now - grace, user) end
      leaving[#leaving + 1], leaving[#leaving + 2] = heads[2 * i], user
      left[#left + 1] = user
    end
  end
  if #passed > 0 then
    redis.call('ZADD', active, unpack(passing))
    redis.call('PEXPIRE', active, idle)
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

-- The rate: admissions out of the queue since the first tick that found one, at most three
-- minutes back. That first tick starts the watch and does not count itself.
local since = tonumber(state[3] or 0)
if holders == 0 or mode == 'closed' then
  if since > 0 then
    redis.call('HDEL', room, 'since', 'rate')
    for _, field in ipairs(redis.call('HKEYS', admits)) do
      if string.sub(field, 1, 1) == 'q' then redis.call('HDEL', admits, field) end
    end
  end
elseif since == 0 then
  if more == 0 then redis.call('HSET', room, 'since', now) end
else
  if let_in > 0 then count('q', let_in) end
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
  redis.call('HSET', room, 'rate', rate)
end

if holders > 0 or let_in > 0 or state[1] then
  redis.call('HSET', room, 'start', start, 'done', done + let_in, 'tick', now)
  if holders > 0 then
    redis.call('HSET', room, 'due', start + interval) -- the caller schedules it
    -- Marks older than the oldest place say nothing any more.
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

if let_in + moved + dropped > 0 or state[4] then
  redis.call('HDEL', room, 'dirty')
  redis.call('PUBLISH', channel, show)
end

local answer = header(NONE)
answer[7], answer[8], answer[9], answer[10] = let_in, moved, dropped, more
return answer
