-- Ends the user's place and admission. ARGV[4]: user.
if not mode then return {MISSING} end
local user = ARGV[4]
local left = dismiss(user)
if redis.call('ZSCORE', seen, user) then
  forget(user)
  redis.call('HSET', room, 'dirty', 1)
  keep()
  left = 1
end
if left == 0 then return {NONE, now, 0} end
return changed(user)
