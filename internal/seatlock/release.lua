-- Deletes the locks that still carry their token. KEYS: one per seat, of one show. ARGV: the token of each.
for place, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[place] then redis.call('DEL', key) end
end
