-- Deletes the room of a deleted show. Instances that have read the settings before bring them too late:
-- no version is newer than this one.
redis.call('DEL', room, queue, away, seen, active, began, marks, admits)
redis.call('HSET', conf, 'mode', 'gone', 'version', '9007199254740991')
redis.call('PEXPIRE', conf, settings_ttl)
redis.call('PUBLISH', channel, show)
return {NONE, now, 0}
