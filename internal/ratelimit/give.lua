-- Gives one request back to a budget: moves the instant at which it is full back by one interval.
-- KEYS: the budget. ARGV: its size in requests, its window in microseconds.
local full = tonumber(redis.call('GET', KEYS[1]))
if full then
  full = full - math.floor(tonumber(ARGV[2]) / tonumber(ARGV[1]))
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'KEEPTTL')
end
return 0
