-- Writes a session's entry into the presence of a document. If it is new, numbers and publishes the arrival.
-- KEYS: the presence. ARGV: session, entry, epoch in case the presence has none, publish command, channel, envelope.
local known = redis.call('HEXISTS', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PERSIST', KEYS[1])
if known == 1 then
  return 0
end
redis.call('HSETNX', KEYS[1], '#epoch', ARGV[3])
local number = redis.call('HINCRBY', KEYS[1], '#number', 1)
local epoch = redis.call('HGET', KEYS[1], '#epoch')
redis.call(ARGV[4], ARGV[5], ARGV[6] .. epoch .. struct.pack('>I8', number))
return 1
