-- The notifier's state, each call one step that happens whole or not at all (LEDGER.md, "Intake and notifier").
local NONCE = ''
-- The nonce is of one process and one life of Redis: after a restart the text is unknown (NOSCRIPT), and the
-- process takes its partitions anew. ARGV[1] is {operation, partition, generation, ...} in msgpack.
-- Times are Redis' own, in milliseconds. A position is the next offset that is not yet in here.
local a = cmsgpack.unpack(ARGV[1])
local op, p, gen = a[1], a[2], a[3]
local META, OUT = 'notifier:meta', 'notifier:out:' .. p
local DUE, SENDING, SINCE = 'notifier:due:' .. p .. ':', 'notifier:sending:' .. p .. ':', 'notifier:since:' .. p
-- A lane is a channel: a mail server that hangs must not hold up the webhooks.

local function micros()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local function ms() return math.floor(micros() / 1000) end
local function text(number) return string.format('%.0f', number) end
local function move_on(name, offset)
  if offset >= 0 and offset > tonumber(redis.call('HGET', META, name .. ':' .. p) or -1) then
    redis.call('HSET', META, name .. ':' .. p, text(offset))
  end
end
local function keep(key, seconds)
  -- A case with an open approval is kept; the others until some time after the last that happened in them.
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 2) == 'o:' then return redis.call('PERSIST', key) end
  end
  redis.call('EXPIRE', key, seconds)
end

if op == 'take' then
  -- Who takes a partition is its owner from here on; what a former one was sending is due again.
  local now = math.max(micros(), tonumber(redis.call('HGET', META, 'gen:' .. p) or 0) + 1)
  redis.call('HSET', META, 'gen:' .. p, text(now))
  for _, lane in ipairs(a[4]) do
    for _, id in ipairs(redis.call('SMEMBERS', SENDING .. lane)) do redis.call('ZADD', DUE .. lane, ms(), id) end
    redis.call('DEL', SENDING .. lane)
  end
  local m = redis.call('HMGET', META, 'cases:' .. p, 'decisions:' .. p, 'notices:' .. p)
  return {'ok', text(now), m[1] or '', m[2] or '', m[3] or ''}
end

local held = redis.call('HGET', META, 'gen:' .. p)
if not held or tonumber(held) < tonumber(gen) then return {'lost'} end
if tonumber(held) > tonumber(gen) then return {'fenced'} end

if op == 'check' then return {'ok'} end

if op == 'record' then
  -- positions {cases, decisions}, seconds to keep a case, seconds to know what was told,
  -- desk writes {key, removed fields, field, value, ...}, notices {id, lane, entry, since in milliseconds}
  local at, keep_seconds, told_seconds, desk, notices = a[4], a[5], a[6], a[7], a[8]
  for _, write in ipairs(desk) do
    local key = 'notifier:case:' .. write[1]
    if #write > 2 then redis.call('HSET', key, unpack(write, 3)) end
    if #write[2] > 0 then redis.call('HDEL', key, unpack(write[2])) end
    keep(key, keep_seconds)
  end
  local new = 0
  for _, notice in ipairs(notices) do
    if redis.call('SET', 'notifier:told:' .. notice[1], '1', 'NX', 'EX', told_seconds) then
      redis.call('HSET', OUT, notice[1], notice[3])
      redis.call('ZADD', DUE .. notice[2], ms(), notice[1])
      redis.call('ZADD', SINCE, notice[4], notice[1])
      new = new + 1
    end
  end
  move_on('cases', at[1])
  move_on('decisions', at[2])
  return {'ok', new}
end

if op == 'due' then
  -- lane, most -> up to that many entries, which are `sending` from here on
  local lane = a[4]
  local ids = redis.call('ZRANGEBYSCORE', DUE .. lane, '-inf', ms(), 'LIMIT', 0, a[5])
  local entries = {}
  if #ids > 0 then
    redis.call('ZREM', DUE .. lane, unpack(ids))
    local found = redis.call('HMGET', OUT, unpack(ids))
    for n, id in ipairs(ids) do
      if found[n] then
        redis.call('SADD', SENDING .. lane, id)
        entries[#entries + 1] = found[n]
      end
    end
  end
  return {'ok', entries}
end

if op == 'settle' then
  -- position in mandaat.notices, seconds to know what was told,
  -- ended {id, lane, case key, field value}, later {id, lane, entry, milliseconds}
  for _, ended in ipairs(a[6]) do
    local id, lane, key = ended[1], ended[2], 'notifier:case:' .. ended[3]
    redis.call('SET', 'notifier:told:' .. id, '1', 'EX', a[5])
    redis.call('HDEL', OUT, id)
    redis.call('ZREM', DUE .. lane, id)
    redis.call('ZREM', SINCE, id)
    redis.call('SREM', SENDING .. lane, id)
    if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, 'n:' .. id, ended[4]) end
  end
  for _, later in ipairs(a[7]) do
    local id, lane = later[1], later[2]
    if redis.call('HEXISTS', OUT, id) == 1 then
      redis.call('HSET', OUT, id, later[3])
      redis.call('SREM', SENDING .. lane, id)
      redis.call('ZADD', DUE .. lane, ms() + later[4], id)
    end
  end
  move_on('notices', a[4])
  return {'ok'}
end

return redis.error_reply('unknown operation')
