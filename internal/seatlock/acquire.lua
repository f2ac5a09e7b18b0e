-- Sets all locks or none. KEYS: one per seat. ARGV[1]: token. ARGV[2]: time to live in ms.
-- Returns place (from 1) and token of every seat that is locked with another token; nothing if all were set.
-- A Redis that refuses writes, because it is full or a replica, refuses the first one.
local token, ttl = ARGV[1], ARGV[2]
local taken = {}
for place, holder in ipairs(redis.call('MGET', unpack(KEYS))) do
  -- A lock with our own token was set by a first attempt whose reply was lost.
  if holder and holder ~= token then
    taken[#taken + 1] = place
    taken[#taken + 1] = holder
  end
end
if #taken > 0 then return taken end
for _, key in ipairs(KEYS) do
  redis.call('SET', key, token, 'NX', 'PX', ttl)
end
return taken
