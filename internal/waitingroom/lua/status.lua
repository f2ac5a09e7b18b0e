-- Where users stand; asking is a sign of life. ARGV[4]…: users, any number.
-- Answers a header, then for each user state, until (admitted) or sequence number (waiting), rank.
if not mode then return {MISSING} end

-- All signs of life first: each may shift the rank of the others.
local seqs = {}
for i = 4, #ARGV do seqs[i] = touch(ARGV[i]) end
if #ARGV >= 4 and redis.call('EXISTS', room) == 1 then keep() end

local answer = header(NONE)
for i = 4, #ARGV do
  local n = #answer
  local ends = admitted(ARGV[i])
  if ends then
    answer[n + 1], answer[n + 2], answer[n + 3] = ADMITTED, ends, 0
  elseif seqs[i] then
    answer[n + 1], answer[n + 2], answer[n + 3] = WAITING, seqs[i], redis.call('ZRANK', queue, ARGV[i])
  else
    answer[n + 1], answer[n + 2], answer[n + 3] = NONE, 0, 0
  end
end
return answer
