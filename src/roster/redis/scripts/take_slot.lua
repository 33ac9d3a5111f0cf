-- Takes one of a user's slots for a session, or takes it over from an earlier incarnation. Returns 1. If none is free,
-- returns 0 and the taken slots: each session and its incarnation.
-- KEYS: the user's slots. ARGV: session, incarnation, number of slots.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  return { 0, redis.call('HGETALL', KEYS[1]) }
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return { 1, {} }
