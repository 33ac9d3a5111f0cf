-- Writes a session's entry into the presence of a document. If it is new, numbers and publishes the arrival. If it had
-- been written before, Redis has lost data: the arrival begins a new epoch, so that all nodes read the presence again.
-- KEYS: the presence. ARGV: session, entry, new epoch, publish command, channel, envelope, 1 if the entry had been
-- written before, or 0.
local known = redis.call('HEXISTS', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PERSIST', KEYS[1])
if known == 1 then
  return 0
end
redis.call(ARGV[7] == '1' and 'HSET' or 'HSETNX', KEYS[1], '#epoch', ARGV[3])
local number = redis.call('HINCRBY', KEYS[1], '#number', 1)
local epoch = redis.call('HGET', KEYS[1], '#epoch')
redis.call(ARGV[4], ARGV[5], ARGV[6] .. epoch .. struct.pack('>I8', number))
return 1
