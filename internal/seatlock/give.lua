-- Compare and delete: removes those of the locks KEYS[first] and on that carry the token. Answers how many.
local function give(first, token)
  local released = 0
  for at = first, #KEYS do
    if redis.call('GET', KEYS[at]) == token then
      released = released + redis.call('DEL', KEYS[at])
    end
  end
  return released
end
