-- What enter.lua starts with. A user who is admitted, as nearly all are who lock seats, needs nothing
-- of the rest, and the functions of the prelude take longer to make than this takes to run.
-- KEYS[9] and on: the locks of the seats that the user wants, if that is known already.
-- ARGV[4]: user. ARGV[5]: token of the locks. ARGV[6]: their time to live. Answers what enter.lua does.
local function welcome(now, ends)
  local answer = {0, now, 0, 0, 0, 0, 2, ends, 0}
  if #KEYS > 8 then
    -- The place 0: nobody has tried, since Redis would not write.
    for _, place in ipairs(take(9, ARGV[5], ARGV[6]) or {0}) do answer[#answer + 1] = place end
  end
  return answer
end

local ends = ARGV[3] == '' and tonumber(redis.call('ZSCORE', KEYS[6], ARGV[4]) or 0) or 0
if ends > 0 then
  local moment = tonumber(ARGV[1])
  if moment == 0 then
    local t = redis.call('TIME')
    moment = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  if ends > moment then return welcome(moment, ends) end
end
