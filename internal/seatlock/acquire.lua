-- Sets all locks or none. KEYS: one per seat. ARGV[1]: token. ARGV[2]: time to live in ms.
-- Returns place (from 1) and token of every seat that is locked with another token; nothing if all were set.
local token, ttl = ARGV[1], ARGV[2]
local taken = {}
for place, holder in ipairs(redis.call('MGET', unpack(KEYS))) do
  if holder and holder ~= token then
    taken[#taken + 1] = place
    taken[#taken + 1] = holder
  end
end
if #taken > 0 then return taken end
for place, key in ipairs(KEYS) do
  -- A lock with our own token was set by a first attempt whose reply was lost.
  local set = redis.pcall('SET', key, token, 'NX', 'PX', ttl)
  if type(set) == 'table' and set.err then -- out of memory, or a replica
    for before = 1, place - 1 do redis.call('DEL', KEYS[before]) end
    return set
  end
end
return taken
