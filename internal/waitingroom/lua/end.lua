-- Ends the user's admission, unless it began after a time. ARGV[4]: user. ARGV[5]: the time.
local user = ARGV[4]
local start = tonumber(redis.call('HGET', began, user) or 0)
if start > tonumber(ARGV[5]) or dismiss(user) == 0 then return {NONE, now, 0} end
return changed(user)
