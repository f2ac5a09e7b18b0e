-- Returns what an admin sees: a header, then users away, users admitted, admissions of the last minute, age
-- of the oldest place in ms, cap, batch, mode. Changed settings come to Redis by this script, too.
if not mode then return {MISSING} end

local bucket = math.floor(now / BUCKET)
local recent = 0
for back = 0, 5 do
  recent = recent + tonumber(redis.call('HGET', admits, 'a' .. (bucket - back)) or 0)
end
-- The bucket in which the minute begins counts by its share.
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

return append(header(NONE), redis.call('ZCARD', away), occupied(), recent, age, cap, batch, mode)
