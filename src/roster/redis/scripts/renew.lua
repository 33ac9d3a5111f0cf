-- Makes the lease of a node longer, or with ARGV[3] = 1 gives it one. 0: it has none any more, the others count it as dead.
-- KEYS: the nodes by the end of their lease. ARGV: node, lease in milliseconds, whether it may be new.
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ARGV[3] ~= '1' and (not ends or tonumber(ends) < 0) then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
return 1
