-- Takes the locks KEYS[first] and on for ttl milliseconds, all of them or none. Answers the places (from 1) of
-- those that somebody else holds; nothing if all were taken.
-- A key with our own token is one that a first try set whose answer was lost on the way.
local function take(first, token, ttl)
  local taken = {}
  for place, holder in ipairs(redis.call('MGET', unpack(KEYS, first))) do
    if holder and holder ~= token then taken[#taken + 1] = place end
  end
  if #taken == 0 then
    for at = first, #KEYS do redis.call('SET', KEYS[at], token, 'NX', 'PX', ttl) end
  end
  return taken
end
