-- Extends the lease of a node, or with ARGV[3] = 1 creates it. Returns 0 if the node has no lease any more: the other
-- nodes count it as dead.
-- KEYS: the nodes, by the end of their lease. ARGV: node, lease in milliseconds, 1 if the lease may be new, or 0.
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ARGV[3] ~= '1' and (not ends or tonumber(ends) < 0) then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
return 1
