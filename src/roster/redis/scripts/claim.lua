-- Returns the live nodes, and the dead nodes whose entries have not been removed yet. With ARGV[1] = 1 it first declares
-- the nodes with an expired lease dead: their lease becomes -1, and they can no longer renew it.
-- KEYS: the nodes, by the end of their lease. ARGV: 1 if nodes may be declared dead, or 0.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local nodes = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local alive, dead = {}, {}
for i = 1, #nodes, 2 do
  local node, ends = nodes[i], tonumber(nodes[i + 1])
  if ends >= 0 and ends < now and ARGV[1] == '1' then
    redis.call('ZADD', KEYS[1], -1, node)
    ends = -1
  end
  if ends < 0 then
    dead[#dead + 1] = node
  else
    alive[#alive + 1] = node
  end
end
return { alive, dead }
