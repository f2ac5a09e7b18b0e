-- KEYS: one per seat. ARGV[1]: token. ARGV[2]: time to live in ms. Answers what take does.
local taken, fault = take(1, ARGV[1], ARGV[2])
return taken or fault
