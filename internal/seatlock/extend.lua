-- Extends the locks that carry the token, and sets those that are gone. KEYS: one per seat.
-- ARGV[1]: token. ARGV[2]: time to live in ms.
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    redis.call('PEXPIRE', key, ARGV[2])
  else
    redis.call('SET', key, ARGV[1], 'NX', 'PX', ARGV[2])
  end
end
