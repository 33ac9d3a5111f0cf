-- Releases a session's slot, if this incarnation took it.
-- KEYS: the user's slots. ARGV: session, incarnation.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
