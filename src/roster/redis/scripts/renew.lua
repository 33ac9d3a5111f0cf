-- Extends the lease of a node, or with ARGV[3] = 1 creates it. Returns 0 if the node has no lease any more: the other
-- nodes count it as dead. The score always changes, whatever Redis's clock does: by this the other nodes see that the
-- node is alive.
-- KEYS: the nodes, by the end of their lease. ARGV: node, lease in milliseconds, 1 if the lease may be new, or 0.
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ARGV[3] ~= '1' and (not before or tonumber(before) < 0) then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = now + tonumber(ARGV[2])
if before and tonumber(before) == ends then
  ends = ends + 1
end
redis.call('ZADD', KEYS[1], ends, ARGV[1])
return 1
