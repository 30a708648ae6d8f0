-- The ledger's script: every operation, in one text (LEDGER.md, The script). It knows no domain noun.
local NONCE = ''
-- Line 2 takes the epoch's nonce, so that the SHA of this text changes with the epoch: a worker that knows an
-- older epoch, or a Redis that lost its scripts, answers NOSCRIPT. With NONCE = '' it serves the cold start.
-- KEYS[1] = <prefix>:meta; ARGV[1] = one flat msgpack array, its first element the operation.
-- A script is not rolled back, so each operation reads and checks all of its arguments before its first write.
-- Index values, and the beginning of what is pending, hold a sequence in 7 bytes; sequences are compared as numbers.

local META = KEYS[1]
local PREFIX = string.sub(META, 1, -5)
local LOCK = PREFIX .. 'lock'
local LOCK_MS = 15000
local FENCED, BUSY = -1, -2

local args = cmsgpack.unpack(ARGV[1])
local at = 1 -- the last argument that was read

local function whole(number) return string.format('%.0f', number) end
local function seven(number) return struct.pack('>I7', number) end
local function seq_of(value) return (struct.unpack('>I7', value, 9)) end
local function index_key(bucket) return PREFIX .. 'i:' .. bucket end
local function state_key(p) return PREFIX .. 's:' .. whole(p) end
local function counter_key(key) return PREFIX .. 'b:' .. key end
local function pend_key(p) return PREFIX .. 'pend:' .. whole(p) end
local function gen_field(p) return 'gen:' .. whole(p) end
local function pos_field(p) return 'pos:' .. whole(p) end
local function meta(field) return redis.call('HGET', META, field) end

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- A counter at 0 is removed, so that a rebuilt ledger equals the live one.
local function count(key, field, amount)
  local counted = redis.call('HINCRBY', key, field, amount)
  if counted == 0 then redis.call('HDEL', key, field) end
  return counted
end

-- Effects: kind, then its arguments. Timers join here, each kind with its arity.
local EFFECT_ARITY = { s = 2, x = 1, l = 4, c = 3 }
local EFFECT = {
  s = function(p, i) redis.call('HSET', state_key(p), args[i], args[i + 1]) end,
  x = function(p, i) redis.call('HDEL', state_key(p), args[i]) end,
  l = function(_, i) -- the index of one id moves on to a newer sequence; where it is absent it gets this digest
    local key, field, digest, seq = index_key(args[i]), args[i + 1], args[i + 2], args[i + 3]
    local known = redis.call('HGET', key, field)
    if not known or seq_of(known) < seq then
      redis.call('HSET', key, field, (known and string.sub(known, 1, 8) or digest) .. seven(seq))
    end
  end,
  c = function(_, i) count(counter_key(args[i]), args[i + 1], args[i + 2]) end, -- a credit, or of either sign
}

-- Where the arguments go on after `count` effects that begin at i.
local function after_effects(i, count)
  for _ = 1, count do
    local arity = EFFECT_ARITY[args[i]]
    if not arity then error('unknown effect ' .. tostring(args[i])) end
    i = i + 1 + arity
  end
  return i
end

local function effect_all(p, i, count)
  for _ = 1, count do
    local kind = args[i]
    EFFECT[kind](p, i + 1)
    i = i + 1 + EFFECT_ARITY[kind]
  end
end

-- Undo: arguments, then the kind, so that it is walked from its end: newest first.
local UNDO_ARITY = { i = 2, c = 3 }
local UNDO = {
  i = function(undo, n) redis.call('HDEL', index_key(undo[n - 2]), undo[n - 1]) end,
  c = function(undo, n) count(counter_key(undo[n - 3]), undo[n - 2], -undo[n - 1]) end,
}

local function roll_back(p)
  local pending = redis.call('GET', pend_key(p))
  if not pending then return end
  local undo = cmsgpack.unpack(string.sub(pending, 8))
  local n = #undo
  while n > 0 do
    UNDO[undo[n]](undo, n)
    n = n - 1 - UNDO_ARITY[undo[n]]
  end
  redis.call('DEL', pend_key(p))
end

-- parts: p, gen, b0 (-1 no confirm; 0 of a round that settled nothing), next offset, effects
local function read_parts(count)
  local parts, fields = {}, {}
  for k = 1, count do
    local part = { p = args[at + 1], gen = args[at + 2], b0 = args[at + 3], next = args[at + 4],
                   effects = args[at + 5], first = at + 6 }
    at = after_effects(part.first, part.effects) - 1
    parts[k] = part
    fields[2 * k - 1], fields[2 * k] = gen_field(part.p), pos_field(part.p)
  end
  if count > 0 then
    local found = redis.call('HMGET', META, unpack(fields))
    for k = 1, count do
      if tonumber(found[2 * k - 1] or -1) ~= parts[k].gen then parts[k].refused = FENCED end
      parts[k].pos = tonumber(found[2 * k] or -1)
    end
  end
  return parts
end

local function confirm(part)
  if part.refused then return end
  local pending = redis.call('GETRANGE', pend_key(part.p), 0, 6)
  if part.b0 > 0 and pending == seven(part.b0) then
    effect_all(part.p, part.first, part.effects)
    redis.call('DEL', pend_key(part.p))
    redis.call('HSET', META, pos_field(part.p), whole(part.next))
  elseif pending ~= '' then
    part.refused = BUSY
  elseif part.b0 == 0 and part.next > part.pos then
    redis.call('HSET', META, pos_field(part.p), whole(part.next))
  end
end

local function refusals(parts)
  local answer = {}
  for k, part in ipairs(parts) do answer[k] = part.refused or 0 end
  return answer
end

-- Counters by day that this call has read, by key: `by_day`, from the day `first` to the day `last`.
local read = {}
local HASH_PER_DAY = 2 -- HGETALL of so many entries takes as long as HMGET of one day
local MOST_FIELDS = 1000 -- Lua's stack takes about 8,000

local function read_days(by_day, key, first, last)
  for from = first, last, MOST_FIELDS do
    local fields = {}
    for day = from, math.min(last, from + MOST_FIELDS - 1) do fields[#fields + 1] = whole(day) end
    for i, amount in ipairs(redis.call('HMGET', key, unpack(fields))) do
      by_day[from + i - 1] = tonumber(amount or 0)
    end
  end
end

-- A small hash is read whole; of a large one the days that are needed, so that old days do not cost for ever.
local function near(key, day, days)
  local first, last = day - days + 1, day + days - 1
  local known = read[key]
  if not known or last < known.first or first > known.last then
    known = { by_day = {}, first = first, last = last }
    read[key] = known
    if redis.call('HLEN', key) > HASH_PER_DAY * (last - first + 1) then
      read_days(known.by_day, key, first, last)
    else
      local all = redis.call('HGETALL', key)
      for i = 1, #all, 2 do known.by_day[tonumber(all[i])] = tonumber(all[i + 1]) end
      known.first, known.last = -math.huge, math.huge
    end
  end
  if first < known.first then
    read_days(known.by_day, key, first, known.first - 1)
    known.first = first
  end
  if last > known.last then
    read_days(known.by_day, key, known.last + 1, last)
    known.last = last
  end
  return known
end

-- The most that any run of N days holds, of those that hold `day`; and the first later day on which the amount
-- has room, false if never.
local function slide(known, key, day, amount, cap, days)
  local by_day, first, free, sum, most = known.by_day, day - days + 1, day + 1, 0, 0
  for other = first, day do sum = sum + (by_day[other] or 0) end
  while first <= free do -- the run that begins on `first`
    local after = first + days
    if first <= day and sum > most then most = sum end
    if sum + amount > cap and amount <= cap then free = after end
    if after > known.last then
      read_days(by_day, key, after, after + days)
      known.last = after + days
    end
    sum = sum + (by_day[after] or 0) - (by_day[first] or 0)
    first = first + 1
  end
  return most, amount <= cap and free
end

-- The same, found once: `slid` is forgotten where the counter changes.
local function slid(known, key, day, amount, cap, days)
  local name = string.format('%.0f|%.0f|%.0f|%.0f', day, amount, cap, days)
  local found = known.slid and known.slid[name]
  if not found then
    found = { slide(known, key, day, amount, cap, days) }
    known.slid = known.slid or {}
    known.slid[name] = found
  end
  return found[1], found[2]
end

-- Whether all days that share a run with `day` hold so little together that no run needs to be looked at.
local function surely_has_room(known, day, amount, cap, days)
  local total = amount
  for other = day - days + 1, day + days - 1 do total = total + (known.by_day[other] or 0) end
  return total <= cap
end

-- What other counters hold, as far as this call has seen, by key and window.
local held = {}
local function held_name(key, window) return key .. '|' .. window end -- no window has a '|'

-- One charge begins at i: key, window (of `Nd` the day), amount, cap, N or 0.
local function look(i)
  local key, window, amount, cap, days = counter_key(args[i]), args[i + 1], args[i + 2], args[i + 3], args[i + 4]
  if days > 0 then
    local day = tonumber(window)
    return slid(near(key, day, days), key, day, amount, cap, days)
  end
  local name = held_name(key, window)
  local found = held[name]
  if not found then
    found = tonumber(redis.call('HGET', key, window) or 0)
    held[name] = found
  end
  return found, false
end

-- Counts the charge at i, or takes it back with the sign -1.
local function add(i, sign)
  local key, window, amount, days = counter_key(args[i]), args[i + 1], sign * args[i + 2], args[i + 4]
  local counted = count(key, window, amount)
  if days == 0 then
    held[held_name(key, window)] = counted
  else
    local known = read[key]
    known.by_day[tonumber(window)], known.slid = counted, nil
  end
  return counted
end

-- Counts the charge where there is room.
local function take(i)
  local key, window, amount, cap, days = counter_key(args[i]), args[i + 1], args[i + 2], args[i + 3], args[i + 4]
  if days == 0 then
    local found = held[held_name(key, window)]
    if found and found + amount > cap then return false end
    if add(i, 1) <= cap then return true end
    add(i, -1)
    return false
  end
  local day = tonumber(window)
  local known = near(key, day, days)
  if (known.slid or not surely_has_room(known, day, amount, cap, days)) and
      slid(known, key, day, amount, cap, days) + amount > cap then
    return false
  end
  add(i, 1)
  return true
end

-- All charges of the group at i, or none.
local function take_all(i)
  for charge = i + 1, i + 5 * args[i], 5 do
    if not take(charge) then
      for taken = charge - 5, i + 1, -5 do add(taken, -1) end
      return false
    end
  end
  return true
end

-- The first group at i of which every charge has room is taken, collected in undo, and answered from 1; else 0.
-- Groups that have no room, and the last if none had, add to the answer what was used, and the free day.
local function choose(i, groups, undo)
  local answer, n = { 0 }, 1
  for group = 1, groups do
    if group < groups and take_all(i) then
      local u = #undo
      for first = i + 1, i + 5 * args[i], 5 do
        undo[u + 1], undo[u + 2], undo[u + 3], undo[u + 4] = args[first], args[first + 1], args[first + 2], 'c'
        u = u + 4
      end
      answer[1] = group
      break
    end
    for first = i + 1, i + 5 * args[i], 5 do
      answer[n + 1], answer[n + 2] = look(first)
      n = n + 2
    end
    i = i + 1 + 5 * args[i]
  end
  return n == 1 and answer[1] or answer
end

-- Where the arguments go on after so many groups of charges that begin at i.
local function after_groups(i, groups)
  for _ = 1, groups do i = i + 1 + 5 * args[i] end
  return i
end

local function check_charges(i, groups)
  for _ = 1, groups do
    for charge = i + 1, i + 5 * args[i], 5 do
      local window, amount, cap, days = args[charge + 1], args[charge + 2], args[charge + 3], args[charge + 4]
      if type(amount) ~= 'number' or type(cap) ~= 'number' or (days > 0 and not tonumber(window)) then
        error('not a charge of ' .. tostring(args[charge]))
      end
    end
    i = i + 1 + 5 * args[i]
  end
  return i
end

local function check_items(parts, count)
  local i = at
  for _ = 1, count do
    if not parts[args[i + 1]] then error('an item of no part') end
    local groups = args[i + 5]
    i = i + 5
    if groups > 0 then i = check_charges(i + 1, groups) - 1 end
  end
  if i ~= #args then error('items do not end with the arguments') end
end

-- items: part (from 1), bucket, field, digest, number of groups of charges. None: without charges. Else the
-- groups: of each the number of its charges, then these. The last is only looked at.
local function settle(parts, count, seq)
  local b0 = math.max(seq + 1, now_us())
  local next_seq, answers = b0, {}
  for k = 1, count do
    local part, bucket, field, groups = parts[args[at + 1]], args[at + 2], args[at + 3], args[at + 5]
    if part.refused then
      answers[k] = part.refused
    else
      local key = index_key(bucket)
      if redis.call('HSETNX', key, field, args[at + 4] .. seven(next_seq)) == 1 then
        local undo = part.undo or {}
        local n = #undo
        undo[n + 1], undo[n + 2], undo[n + 3] = bucket, field, 'i'
        part.undo = undo
        next_seq = next_seq + 1
        answers[k] = groups == 0 and 0 or choose(at + 6, groups, undo)
      else
        answers[k] = redis.call('HGET', key, field)
      end
    end
    at = groups == 0 and at + 5 or after_groups(at + 6, groups) - 1
  end
  for _, part in ipairs(parts) do
    if part.undo then redis.call('SET', pend_key(part.p), seven(b0) .. cmsgpack.pack(part.undo)) end
  end
  if next_seq > b0 then
    seq = next_seq - 1
    redis.call('HSET', META, 'seq', whole(seq))
  end
  return b0, seq, answers
end

-- records: seq, bucket, field, digest, effects. All events of one sequence are one record, never cut.
local function check_records(count)
  local i = at
  for _ = 1, count do i = after_effects(i + 6, args[i + 5]) - 1 end
  if i ~= #args then error('records do not end with the arguments') end
end

local function apply_records(p, count)
  local newest = tonumber(meta('seq') or 0)
  for _ = 1, count do
    local seq, bucket, field, effects = args[at + 1], args[at + 2], args[at + 3], args[at + 5]
    local key, value = index_key(bucket), args[at + 4] .. seven(seq)
    local is_newer = redis.call('HSETNX', key, field, value) == 1
    if not is_newer and seq_of(redis.call('HGET', key, field)) < seq then
      redis.call('HSET', key, field, value)
      is_newer = true
    end
    if is_newer then effect_all(p, at + 6, effects) end
    at = after_effects(at + 6, effects) - 1
    newest = math.max(newest, seq)
  end
  redis.call('HSET', META, 'seq', whole(newest))
end

local WARM, COLD = {}, {}

-- call: parts, items -> TIME, b0, newest sequence, refusal by part, answers
function WARM.call(seq)
  local part_count, item_count = args[at + 1], args[at + 2]
  at = at + 2
  local parts = read_parts(part_count)
  check_items(parts, item_count)
  for _, part in ipairs(parts) do confirm(part) end
  local b0, newest, answers = settle(parts, item_count, seq)
  return { whole(now_us()), whole(b0), whole(newest), refusals(parts), answers }
end

-- read: parts, then wanted: part (from 1), numbers of states and of ids, the states' ids, bucket and field of each
-- id -> TIME, newest sequence, refusal by part, all values in order, of the parts that are not refused
function WARM.read(seq)
  local part_count, wanted_count = args[at + 1], args[at + 2]
  at = at + 2
  local parts = read_parts(part_count)
  for _, part in ipairs(parts) do confirm(part) end
  local values, n = {}, 0
  for _ = 1, wanted_count do
    local part, states, ids = parts[args[at + 1]], args[at + 2], args[at + 3]
    at = at + 3
    if not part.refused then
      for i = 1, states do values[n + i] = redis.call('HGET', state_key(part.p), args[at + i]) end
      n = n + states
      for i = 1, ids do
        values[n + i] = redis.call('HGET', index_key(args[at + states + 2 * i - 1]), args[at + states + 2 * i])
      end
      n = n + ids
    end
    at = at + states + 2 * ids
  end
  return { whole(now_us()), whole(seq), refusals(parts), values }
end

-- take: p -> gen, pos, whether something is pending. All that held p before are fenced from here.
function WARM.take()
  local p = args[at + 1]
  local pos = meta(pos_field(p))
  if not pos then error('there is no partition ' .. whole(p)) end
  local gen = redis.call('HINCRBY', META, gen_field(p), 1)
  return { gen, tonumber(pos), redis.call('EXISTS', pend_key(p)) }
end

-- resolve: p, gen, from, next, records. Roll back and apply in one call, so that nobody spends the room in between.
function WARM.resolve()
  local p, gen, from, next_offset, count = unpack(args, at + 1, at + 5)
  at = at + 5
  check_records(count)
  if tonumber(meta(gen_field(p)) or -1) ~= gen then return 'fenced' end
  if tonumber(meta(pos_field(p))) ~= from then return 'moved' end
  roll_back(p)
  apply_records(p, count)
  redis.call('HSET', META, pos_field(p), whole(next_offset))
  return 'ok'
end

-- begin: token, epoch that is known to be dead -> warm with the epoch of another, or locked, or partitions (0 =
-- emptied) and pos of each
function COLD.begin(token)
  local dead = args[at + 1]
  local epoch = meta('epoch')
  if epoch and epoch ~= dead then return { 'warm', epoch } end
  local holder = redis.call('GET', LOCK)
  if holder and holder ~= token then return { 'locked' } end
  redis.call('SET', LOCK, token, 'PX', LOCK_MS)
  redis.call('HDEL', META, 'epoch')
  local answer = { 'begun', tonumber(meta('partitions') or 0) }
  for p = 0, answer[2] - 1 do
    roll_back(p)
    answer[p + 3] = tonumber(meta(pos_field(p)))
  end
  return answer
end

-- wipe: names of keys. Only a Redis that was emptied, or never filled, is wiped.
function COLD.wipe()
  if meta('partitions') then return 'moved' end
  for i = at + 1, #args do
    local key = args[i]
    if string.sub(key, 1, #PREFIX) ~= PREFIX then error('not a key of the ledger: ' .. key) end
    if key ~= LOCK then redis.call('DEL', key) end
  end
  return 'ok'
end

-- lay: the number of partitions, fixed for ever; each begins at 0
function COLD.lay()
  if meta('partitions') then return 'moved' end
  local partitions = args[at + 1]
  for p = 0, partitions - 1 do redis.call('HSET', META, pos_field(p), 0) end
  redis.call('HSET', META, 'partitions', whole(partitions))
  return 'ok'
end

-- renew: keep the lock
function COLD.renew() return 'ok' end

-- apply: p, from, next, records
function COLD.apply()
  local p, from, next_offset, count = unpack(args, at + 1, at + 4)
  at = at + 4
  check_records(count)
  if tonumber(meta(pos_field(p)) or -1) ~= from then return 'moved' end
  apply_records(p, count)
  redis.call('HSET', META, pos_field(p), whole(next_offset))
  return 'ok'
end

-- activate: nonce, partitions, pos of each
function COLD.activate()
  local nonce, partitions = args[at + 1], args[at + 2]
  at = at + 2
  if tonumber(meta('partitions') or 0) ~= partitions then return 'moved' end
  for p = 0, partitions - 1 do
    if tonumber(meta(pos_field(p))) ~= args[at + 1 + p] then return 'moved' end
    if redis.call('EXISTS', pend_key(p)) == 1 then return 'moved' end
  end
  redis.call('HSET', META, 'epoch', nonce)
  redis.call('DEL', LOCK)
  return 'ok'
end

local operation = args[1]
if NONCE ~= '' then -- a worker: floor is the newest sequence it saw under this nonce
  local found = redis.call('HMGET', META, 'epoch', 'seq')
  if found[1] ~= NONCE then return 'cold' end
  local seq, floor = tonumber(found[2] or 0), args[2]
  at = 2
  if seq < floor then -- old data under a Redis that kept running
    redis.call('HDEL', META, 'epoch')
    return 'cold'
  end
  return WARM[operation](seq)
end

local token = args[2]
at = 2
if operation ~= 'begin' then
  if redis.call('GET', LOCK) ~= token then return 'lost' end
  redis.call('SET', LOCK, token, 'PX', LOCK_MS)
end
return COLD[operation](token)
