-- The notifier's state in Redis. Each call happens as a whole or not at all (docs/ledger.md, Intake and notifier).
local NONCE = ''
-- Each process loads the script with a nonce of its own. After a restart Redis no longer knows that text
-- (NOSCRIPT), and the process takes its partitions anew. ARGV[1] is {operation, partition, generation, ...} in
-- msgpack. Times are those of Redis, in milliseconds. A position is the next offset of a topic that is not in
-- here yet. The names of channels and of topics come with the call.
local a = cmsgpack.unpack(ARGV[1])
local op, p, gen = a[1], a[2], a[3]
local META, OUT = 'notifier:meta', 'notifier:out:' .. p
local DUE, SENDING, SINCE = 'notifier:due:' .. p .. ':', 'notifier:sending:' .. p .. ':', 'notifier:since:' .. p
-- DUE and SENDING are kept for each channel: a mail server that hangs must not hold up the webhooks.

local function micros()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local function ms() return math.floor(micros() / 1000) end
local function text(number) return string.format('%.0f', number) end
local function move_on(name, offset)
  if offset > tonumber(redis.call('HGET', META, name .. ':' .. p) or -1) then
    redis.call('HSET', META, name .. ':' .. p, text(offset))
  end
end
local function move_all(positions)
  for n = 1, #positions, 2 do move_on(positions[n], positions[n + 1]) end
end
local function keep(key, seconds)
  -- A case file is kept while an approval is open, and for some time after the last event of its case.
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 2) == 'o:' then return redis.call('PERSIST', key) end
  end
  redis.call('EXPIRE', key, seconds)
end

if op == 'take' then
  -- channels, topics -> generation, the position of each topic. The caller owns the partition from here on.
  -- Notices that a former owner was sending are due again.
  local now = math.max(micros(), tonumber(redis.call('HGET', META, 'gen:' .. p) or 0) + 1)
  redis.call('HSET', META, 'gen:' .. p, text(now))
  for _, channel in ipairs(a[4]) do
    for _, id in ipairs(redis.call('SMEMBERS', SENDING .. channel)) do
      redis.call('ZADD', DUE .. channel, ms(), id)
    end
    redis.call('DEL', SENDING .. channel)
  end
  local answer = {'ok', text(now)}
  for _, topic in ipairs(a[5]) do
    answer[#answer + 1] = redis.call('HGET', META, topic .. ':' .. p) or ''
  end
  return answer
end

local held = redis.call('HGET', META, 'gen:' .. p)
if not held or tonumber(held) < tonumber(gen) then return {'lost'} end
if tonumber(held) > tonumber(gen) then return {'fenced'} end

if op == 'check' then return {'ok'} end

if op == 'record' then
  -- positions {topic, offset, ...}, seconds to keep a case file, seconds to remember a notice,
  -- case file writes {key, removed fields, field, value, ...},
  -- notices {id, channel, entry, since in milliseconds} -> how many of them are new
  local positions, keep_seconds, remember_seconds, writes, notices = a[4], a[5], a[6], a[7], a[8]
  for _, write in ipairs(writes) do
    local key = 'notifier:case:' .. write[1]
    if #write > 2 then redis.call('HSET', key, unpack(write, 3)) end
    if #write[2] > 0 then redis.call('HDEL', key, unpack(write[2])) end
    keep(key, keep_seconds)
  end
  local new = 0
  for _, notice in ipairs(notices) do
    if redis.call('SET', 'notifier:told:' .. notice[1], '1', 'NX', 'EX', remember_seconds) then
      redis.call('HSET', OUT, notice[1], notice[3])
      redis.call('ZADD', DUE .. notice[2], ms(), notice[1])
      redis.call('ZADD', SINCE, notice[4], notice[1])
      new = new + 1
    end
  end
  move_all(positions)
  return {'ok', new}
end

if op == 'due' then
  -- channel, most -> up to that many entries, which are `sending` from here on
  local channel = a[4]
  local ids = redis.call('ZRANGEBYSCORE', DUE .. channel, '-inf', ms(), 'LIMIT', 0, a[5])
  local entries = {}
  if #ids > 0 then
    redis.call('ZREM', DUE .. channel, unpack(ids))
    local found = redis.call('HMGET', OUT, unpack(ids))
    for n, id in ipairs(ids) do
      if found[n] then
        redis.call('SADD', SENDING .. channel, id)
        entries[#entries + 1] = found[n]
      end
    end
  end
  return {'ok', entries}
end

if op == 'settle' then
  -- positions {topic, offset, ...}, seconds to remember a notice,
  -- ended {id, channel, case key, field value}, postponed {id, channel, entry, milliseconds}
  for _, ended in ipairs(a[6]) do
    local id, channel, key = ended[1], ended[2], 'notifier:case:' .. ended[3]
    redis.call('SET', 'notifier:told:' .. id, '1', 'EX', a[5])
    redis.call('HDEL', OUT, id)
    redis.call('ZREM', DUE .. channel, id)
    redis.call('ZREM', SINCE, id)
    redis.call('SREM', SENDING .. channel, id)
    if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, 'n:' .. id, ended[4]) end
  end
  for _, postponed in ipairs(a[7]) do
    local id, channel = postponed[1], postponed[2]
    if redis.call('HEXISTS', OUT, id) == 1 then
      redis.call('HSET', OUT, id, postponed[3])
      redis.call('SREM', SENDING .. channel, id)
      redis.call('ZADD', DUE .. channel, ms() + postponed[4], id)
    end
  end
  move_all(a[4])
  return {'ok'}
end

return redis.error_reply('unknown operation')
