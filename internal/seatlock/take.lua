-- Takes the locks KEYS[first] and on for ttl milliseconds, all of them or none. Answers the places (from 1) of
-- those that somebody else holds; nothing if all were taken. When Redis will not write, for want of memory or
-- as a replica, answers nil and the error.
-- A key with our own token is one that a first try set whose answer was lost on the way.
local function take(first, token, ttl)
  local taken = {}
  for place, holder in ipairs(redis.call('MGET', unpack(KEYS, first))) do
    if holder and holder ~= token then taken[#taken + 1] = place end
  end
  if #taken > 0 then return taken end
  for at = first, #KEYS do
    local set = redis.pcall('SET', KEYS[at], token, 'NX', 'PX', ttl)
    if type(set) == 'table' and set.err then
      for before = first, at - 1 do redis.call('DEL', KEYS[before]) end
      return nil, set
    end
  end
  return taken
end
