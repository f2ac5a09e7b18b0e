-- Compare and delete for many holds of one show. KEYS: one per seat. ARGV: the token of each key.
-- Answers how many locks were released.
local released = 0
for place, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[place] then
    released = released + redis.call('DEL', key)
  end
end
return released
