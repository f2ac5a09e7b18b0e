-- KEYS: one per seat. ARGV[1]: token. Answers how many locks were released.
return give(1, ARGV[1])
