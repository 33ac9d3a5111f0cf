-- Claims the sweep of a node, if its score is still the one that the caller read. A live node becomes dead by this: it can
-- no longer renew its lease. Returns the new score, which is negative, or nil.
-- KEYS: the nodes. ARGV: node, the score that the caller read.
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score or tonumber(score) ~= tonumber(ARGV[2]) then
  return nil
end
local claimed = math.min(tonumber(score), 0) - 1
redis.call('ZADD', KEYS[1], claimed, ARGV[1])
return claimed
