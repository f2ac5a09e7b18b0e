-- Returns the state of users, and records a sign of life of each. ARGV[4] and on: users.
-- Returns a header, then for each user state, end of the admission or sequence number, and rank.
if not mode then return {MISSING} end

-- All signs of life come first: each may shift the rank of the others.
local seqs = {}
for i = 4, #ARGV do seqs[i] = touch(ARGV[i]) end
if #ARGV >= 4 and redis.call('EXISTS', room) == 1 then keep() end

local reply = header(NONE)
for i = 4, #ARGV do
  local ends = admitted(ARGV[i])
  if ends then
    append(reply, ADMITTED, ends, 0)
  elseif seqs[i] then
    append(reply, WAITING, seqs[i], redis.call('ZRANK', queue, ARGV[i]))
  else
    append(reply, NONE, 0, 0)
  end
end
return reply
