-- Extends the locks that carry the token. KEYS: one per seat. ARGV[1]: token. ARGV[2]: time to live in ms.
-- A lock that is gone stays so: its hold may have ended since, and without a lock PostgreSQL decides alone.
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    redis.call('PEXPIRE', key, ARGV[2])
  end
end
