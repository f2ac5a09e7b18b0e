-- Compare and delete. KEYS: one per seat. ARGV[1]: token. Answers how many locks were released.
local released = 0
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    released = released + redis.call('DEL', key)
  end
end
return released
