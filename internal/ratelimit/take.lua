-- Takes one request from every budget, or from none, by GCRA: a budget is the instant at which it is full
-- again. A request moves that instant on by one interval, and fits if it stays within a window from now.
-- KEYS: one per budget. ARGV, per budget: its size in requests, its window in microseconds.
-- Returns, per budget, as it is afterwards: requests left; microseconds until it is full; microseconds
-- until the next request fits, 0 if this one did.
-- All times are whole microseconds of Redis's clock: nothing is rounded, and instances need not agree.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local budgets, fits = {}, true
for i, key in ipairs(KEYS) do
  local size, period = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local interval = math.floor(period / size)
  local window = interval * size
  -- At most a window away, in case the clock was set back.
  local full = math.min(math.max(tonumber(redis.call('GET', key) or now), now), now + window)
  local wait = math.max(full + interval - window - now, 0)
  fits = fits and wait == 0
  budgets[i] = {key = key, interval = interval, window = window, full = full, wait = wait}
end
local reply = {}
for _, budget in ipairs(budgets) do
  if fits then
    budget.full = budget.full + budget.interval
    redis.call('SET', budget.key, string.format('%.0f', budget.full),
      'PX', string.format('%.0f', math.ceil((budget.full - now) / 1000)))
  end
  reply[#reply + 1] = math.floor((now + budget.window - budget.full) / budget.interval)
  reply[#reply + 1] = budget.full - now
  reply[#reply + 1] = budget.wait
end
return reply
