-- Removes a session's entry from the presence of a document, if this incarnation wrote it, and numbers and publishes the
-- departure. The numbers of an empty presence are kept for a while. If the entry had been removed before, Redis has lost
-- data: the departure begins a new epoch, so that all nodes read the presence again.
-- KEYS: the presence. ARGV: session, incarnation, milliseconds to keep an empty presence, publish command, channel,
-- envelope, new epoch, 1 if the entry had been removed before, or 0.
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry or string.sub(entry, 1, 16) ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call(ARGV[8] == '1' and 'HSET' or 'HSETNX', KEYS[1], '#epoch', ARGV[7])
local number = redis.call('HINCRBY', KEYS[1], '#number', 1)
local epoch = redis.call('HGET', KEYS[1], '#epoch')
if redis.call('HLEN', KEYS[1]) == 2 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
redis.call(ARGV[4], ARGV[5], ARGV[6] .. epoch .. struct.pack('>I8', number))
return 1
