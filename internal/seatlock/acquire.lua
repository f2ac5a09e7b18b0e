-- Takes every lock or none. KEYS: one per seat. ARGV[1]: token. ARGV[2]: time to live in ms.
-- Answers the places (from 1) of the keys that somebody else holds; nothing if all were taken.
-- A key with our own token is one that a first try set whose answer was lost on the way.
local taken = {}
for place, key in ipairs(KEYS) do
  if not redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2])
    and redis.call('GET', key) ~= ARGV[1] then
    taken[#taken + 1] = place
  end
end
if #taken > 0 then
  for _, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] then
      redis.call('DEL', key)
    end
  end
end
return taken
