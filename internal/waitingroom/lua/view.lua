-- What an admin sees, and how settings that were changed come to Redis.
-- Answers a header, then those away, admitted, admissions of the last minute, age of the oldest
-- place in ms, cap, batch, mode.
if not mode then return {MISSING} end

local bucket = math.floor(now / BUCKET)
local recent = 0
for back = 0, 5 do
  recent = recent + tonumber(redis.call('HGET', admits, 'a' .. (bucket - back)) or 0)
end
-- The bucket that the minute begins in counts by the part of it that is inside.
local part = 1 - (now % BUCKET) / BUCKET
recent = recent + math.floor(part * tonumber(redis.call('HGET', admits, 'a' .. (bucket - 6)) or 0) + 0.5)

local age = 0
local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
if not head[2] then head = redis.call('ZRANGE', away, 0, 0, 'WITHSCORES') end
if head[2] then
  local mark = redis.call('ZREVRANGEBYSCORE', marks, head[2], '-inf', 'LIMIT', 0, 1)
  if not mark[1] then mark = redis.call('ZRANGE', marks, 0, 0) end
  if mark[1] then age = math.max(0, now - tonumber(mark[1])) end
end

local answer = header(NONE)
answer[7], answer[8], answer[9], answer[10] = redis.call('ZCARD', away), occupied(), recent, age
answer[11], answer[12], answer[13] = cap, batch, mode
return answer
