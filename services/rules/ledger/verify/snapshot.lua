-- What the ledger holds of some keys, and where it stands, at one moment. It writes nothing.
-- KEYS[1] = <prefix>:meta; ARGV[1] = one flat msgpack array: of each key its name, how many fields are wanted
-- (0: all), and their names. Answers the hash meta, what is pending by partition, and the values by key.

local META = KEYS[1]
local PREFIX = string.sub(META, 1, -5)
local args = cmsgpack.unpack(ARGV[1])

local pending = {}
for p = 0, tonumber(redis.call('HGET', META, 'partitions') or 0) - 1 do
  pending[p + 1] = redis.call('GET', PREFIX .. 'pend:' .. string.format('%.0f', p))
end

local values, i = {}, 1
while i <= #args do
  local key, fields = args[i], args[i + 1]
  if fields == 0 then
    values[#values + 1] = redis.call('HGETALL', key)
  else
    values[#values + 1] = redis.call('HMGET', key, unpack(args, i + 2, i + 1 + fields))
  end
  i = i + 2 + fields
end

return { redis.call('HGETALL', META), pending, values }
