-- Replaces a session's entry, if this incarnation wrote the present one.
-- KEYS: the presence. ARGV: session, entry.
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry or string.sub(entry, 1, 16) ~= string.sub(ARGV[2], 1, 16) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
