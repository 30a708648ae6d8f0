-- The ledger's script: every operation, in one text (docs/ledger.md, The script). It knows no domain noun.
local NONCE = ''
-- Line 2 takes the epoch's nonce, so the SHA of this text changes with the epoch. A worker of an older epoch, or a
-- Redis that lost its scripts, then finds no script (NOSCRIPT). With NONCE = '' the script serves the cold start.
-- KEYS[1] = <prefix>:meta; ARGV[1] = one flat msgpack array, its first element the operation.
-- Redis does not roll a script back, so each operation checks all of its arguments before its first write.
-- An index value, and what is pending, hold a sequence in 7 bytes. Sequences are compared as numbers.

local META = KEYS[1]
local PREFIX = string.sub(META, 1, -5)
local LOCK = PREFIX .. 'lock'
local LOCK_MS = 15000
local FENCED, BUSY = -1, -2

local args = cmsgpack.unpack(ARGV[1])
local at = 1 -- the last argument that was read

local function as_text(number) return string.format('%.0f', number) end
local function packed_seq(number) return struct.pack('>I7', number) end
local function seq_of(value) return (struct.unpack('>I7', value, 9)) end
local function index_key(bucket) return PREFIX .. 'i:' .. bucket end
local function state_key(p) return PREFIX .. 's:' .. as_text(p) end
local function counter_key(key) return PREFIX .. 'b:' .. key end
local function pending_key(p) return PREFIX .. 'pend:' .. as_text(p) end
local function gen_field(p) return 'gen:' .. as_text(p) end
local function pos_field(p) return 'pos:' .. as_text(p) end
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

-- Effects: the kind, then its arguments. s: set a state, x: remove a state, l: link, c: count.
local EFFECT_ARITY = { s = 2, x = 1, l = 4, c = 3 }
local EFFECT = {
  s = function(p, i) redis.call('HSET', state_key(p), args[i], args[i + 1]) end,
  x = function(p, i) redis.call('HDEL', state_key(p), args[i]) end,
  l = function(_, i) -- the index entry moves on to a newer sequence; a new entry gets this digest
    local key, field, digest, seq = index_key(args[i]), args[i + 1], args[i + 2], args[i + 3]
    local known = redis.call('HGET', key, field)
    if not known or seq_of(known) < seq then
      redis.call('HSET', key, field, (known and string.sub(known, 1, 8) or digest) .. packed_seq(seq))
    end
  end,
  c = function(_, i) count(counter_key(args[i]), args[i + 1], args[i + 2]) end, -- a credit; in a replay also a charge
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

-- Undo: the arguments, then the kind, so that it is read from its end: newest first. i: index entry, c: charge.
local UNDO_ARITY = { i = 2, c = 3 }
local UNDO = {
  i = function(undo, n) redis.call('HDEL', index_key(undo[n - 2]), undo[n - 1]) end,
  c = function(undo, n) count(counter_key(undo[n - 3]), undo[n - 2], -undo[n - 1]) end,
}

local function roll_back(p)
  local pending = redis.call('GET', pending_key(p))
  if not pending then return end
  local undo = cmsgpack.unpack(string.sub(pending, 8))
  local n = #undo
  while n > 0 do
    UNDO[undo[n]](undo, n)
    n = n - 1 - UNDO_ARITY[undo[n]]
  end
  redis.call('DEL', pending_key(p))
end

-- parts: p, gen, first sequence (-1: no confirm; 0: of a round that settled nothing), next offset, effects
local function read_parts(count)
  local parts, fields = {}, {}
  for k = 1, count do
    local part = { p = args[at + 1], gen = args[at + 2], first_seq = args[at + 3], next = args[at + 4],
                   effects = args[at + 5], first_effect = at + 6 }
    at = after_effects(part.first_effect, part.effects) - 1
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
  local pending = redis.call('GETRANGE', pending_key(part.p), 0, 6)
  if part.first_seq > 0 and pending == packed_seq(part.first_seq) then
    effect_all(part.p, part.first_effect, part.effects)
    redis.call('DEL', pending_key(part.p))
    redis.call('HSET', META, pos_field(part.p), as_text(part.next))
  elseif pending ~= '' then
    part.refused = BUSY
  elseif part.first_seq == 0 and part.next > part.pos then
    redis.call('HSET', META, pos_field(part.p), as_text(part.next))
  end
end

local function refusals(parts)
  local answer = {}
  for k, part in ipairs(parts) do answer[k] = part.refused or 0 end
  return answer
end

-- Counters with a count for each day, as far as this call has read them, by key: `by_day`, from the day `first` to
-- the day `last`.
local day_counts = {}
local HASH_PER_DAY = 2 -- HGETALL of so many entries takes as long as HMGET of one day
local MOST_FIELDS = 1000 -- Lua's stack takes about 8,000

local function read_days(by_day, key, first, last)
  for from = first, last, MOST_FIELDS do
    local fields = {}
    for day = from, math.min(last, from + MOST_FIELDS - 1) do fields[#fields + 1] = as_text(day) end
    for i, amount in ipairs(redis.call('HMGET', key, unpack(fields))) do
      by_day[from + i - 1] = tonumber(amount or 0)
    end
  end
end

-- The counts of all days that share a run with `day`. A small hash is read whole. Of a large one only the days that
-- are needed are read, so that old days do not cost for ever.
local function days_around(key, day, days)
  local first, last = day - days + 1, day + days - 1
  local cached = day_counts[key]
  if not cached or last < cached.first or first > cached.last then
    cached = { by_day = {}, first = first, last = last }
    day_counts[key] = cached
    if redis.call('HLEN', key) > HASH_PER_DAY * (last - first + 1) then
      read_days(cached.by_day, key, first, last)
    else
      local all = redis.call('HGETALL', key)
      for i = 1, #all, 2 do cached.by_day[tonumber(all[i])] = tonumber(all[i + 1]) end
      cached.first, cached.last = -math.huge, math.huge
    end
  end
  if first < cached.first then
    read_days(cached.by_day, key, first, cached.first - 1)
    cached.first = first
  end
  if last > cached.last then
    read_days(cached.by_day, key, cached.last + 1, last)
    cached.last = last
  end
  return cached
end

-- The most that any run of N days holds, of the runs that include `day`; and the first later day on which the amount
-- has room, false if never.
local function fullest_run(cached, key, day, amount, cap, days)
  local by_day, first, free, sum, most = cached.by_day, day - days + 1, day + 1, 0, 0
  for other = first, day do sum = sum + (by_day[other] or 0) end
  while first <= free do -- the run that begins on `first`
    local after = first + days
    if first <= day and sum > most then most = sum end
    if sum + amount > cap and amount <= cap then free = after end
    if after > cached.last then
      read_days(by_day, key, after, after + days)
      cached.last = after + days
    end
    sum = sum + (by_day[after] or 0) - (by_day[first] or 0)
    first = first + 1
  end
  return most, amount <= cap and free
end

-- The same, remembered until the counter changes.
local function cached_run(cached, key, day, amount, cap, days)
  local name = string.format('%.0f|%.0f|%.0f|%.0f', day, amount, cap, days)
  local found = cached.runs and cached.runs[name]
  if not found then
    found = { fullest_run(cached, key, day, amount, cap, days) }
    cached.runs = cached.runs or {}
    cached.runs[name] = found
  end
  return found[1], found[2]
end

-- Whether all days that share a run with `day` hold so little together that every run has room.
local function surely_has_room(cached, day, amount, cap, days)
  local total = amount
  for other = day - days + 1, day + days - 1 do total = total + (cached.by_day[other] or 0) end
  return total <= cap
end

-- What the other counters hold, as far as this call has read them, by key and window.
local window_counts = {}
local function window_name(key, window) return key .. '|' .. window end -- no window has a '|'

-- What the counter of the charge at i holds. A charge: key, window (of `Nd` the day), amount, cap, N or 0.
local function counter_use(i)
  local key, window, amount, cap, days = counter_key(args[i]), args[i + 1], args[i + 2], args[i + 3], args[i + 4]
  if days > 0 then
    local day = tonumber(window)
    return cached_run(days_around(key, day, days), key, day, amount, cap, days)
  end
  local name = window_name(key, window)
  local found = window_counts[name]
  if not found then
    found = tonumber(redis.call('HGET', key, window) or 0)
    window_counts[name] = found
  end
  return found, false
end

-- Counts the charge at i; with the sign -1, takes it back.
local function count_charge(i, sign)
  local key, window, amount, days = counter_key(args[i]), args[i + 1], sign * args[i + 2], args[i + 4]
  local counted = count(key, window, amount)
  if days == 0 then
    window_counts[window_name(key, window)] = counted
  else
    local cached = day_counts[key]
    cached.by_day[tonumber(window)], cached.runs = counted, nil
  end
  return counted
end

-- Counts the charge at i if it has room.
local function charge_if_room(i)
  local key, window, amount, cap, days = counter_key(args[i]), args[i + 1], args[i + 2], args[i + 3], args[i + 4]
  if days == 0 then
    local found = window_counts[window_name(key, window)]
    if found and found + amount > cap then return false end
    if count_charge(i, 1) <= cap then return true end
    count_charge(i, -1)
    return false
  end
  local day = tonumber(window)
  local cached = days_around(key, day, days)
  if (cached.runs or not surely_has_room(cached, day, amount, cap, days)) and
      cached_run(cached, key, day, amount, cap, days) + amount > cap then
    return false
  end
  count_charge(i, 1)
  return true
end

-- Counts all charges of the group at i, or none.
local function charge_all_if_room(i)
  for charge = i + 1, i + 5 * args[i], 5 do
    if not charge_if_room(charge) then
      for earlier = charge - 5, i + 1, -5 do count_charge(earlier, -1) end
      return false
    end
  end
  return true
end

-- Charges the first group of which every charge has room, and collects it in undo. Answers its number from 1, or 0.
-- Each group that has no room adds to the answer what its counters held, and the free day; so does the last, when
-- no group had room.
local function choose_group(i, groups, undo)
  local answer, n = { 0 }, 1
  for group = 1, groups do
    if group < groups and charge_all_if_room(i) then
      local u = #undo
      for first = i + 1, i + 5 * args[i], 5 do
        undo[u + 1], undo[u + 2], undo[u + 3], undo[u + 4] = args[first], args[first + 1], args[first + 2], 'c'
        u = u + 4
      end
      answer[1] = group
      break
    end
    for first = i + 1, i + 5 * args[i], 5 do
      answer[n + 1], answer[n + 2] = counter_use(first)
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

-- items: part (from 1), bucket, field, digest, number of groups of charges (0 without charges), then the groups: of
-- each the number of its charges, then these. All but the last are options to charge; the last holds the probes.
local function settle(parts, count, seq)
  local first_seq = math.max(seq + 1, now_us())
  local next_seq, answers = first_seq, {}
  for k = 1, count do
    local part, bucket, field, groups = parts[args[at + 1]], args[at + 2], args[at + 3], args[at + 5]
    if part.refused then
      answers[k] = part.refused
    else
      local key = index_key(bucket)
      if redis.call('HSETNX', key, field, args[at + 4] .. packed_seq(next_seq)) == 1 then
        local undo = part.undo or {}
        local n = #undo
        undo[n + 1], undo[n + 2], undo[n + 3] = bucket, field, 'i'
        part.undo = undo
        next_seq = next_seq + 1
        answers[k] = groups == 0 and 0 or choose_group(at + 6, groups, undo)
      else
        answers[k] = redis.call('HGET', key, field)
      end
    end
    at = groups == 0 and at + 5 or after_groups(at + 6, groups) - 1
  end
  for _, part in ipairs(parts) do
    if part.undo then redis.call('SET', pending_key(part.p), packed_seq(first_seq) .. cmsgpack.pack(part.undo)) end
  end
  if next_seq > first_seq then
    seq = next_seq - 1
    redis.call('HSET', META, 'seq', as_text(seq))
  end
  return first_seq, seq, answers
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
    local key, value = index_key(bucket), args[at + 4] .. packed_seq(seq)
    local is_newer = redis.call('HSETNX', key, field, value) == 1
    if not is_newer and seq_of(redis.call('HGET', key, field)) < seq then
      redis.call('HSET', key, field, value)
      is_newer = true
    end
    if is_newer then effect_all(p, at + 6, effects) end
    at = after_effects(at + 6, effects) - 1
    newest = math.max(newest, seq)
  end
  redis.call('HSET', META, 'seq', as_text(newest))
end

local WARM, COLD = {}, {}

-- call: parts, items -> TIME, first sequence of this call, newest sequence, refusal by part, answers
function WARM.call(seq)
  local part_count, item_count = args[at + 1], args[at + 2]
  at = at + 2
  local parts = read_parts(part_count)
  check_items(parts, item_count)
  for _, part in ipairs(parts) do confirm(part) end
  local first_seq, newest, answers = settle(parts, item_count, seq)
  return { as_text(now_us()), as_text(first_seq), as_text(newest), refusals(parts), answers }
end

-- read: parts, then wanted: part (from 1), number of states, number of ids, ids of the states, bucket and field of
-- each id -> TIME, newest sequence, refusal by part, the values in order, without those of refused parts
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
  return { as_text(now_us()), as_text(seq), refusals(parts), values }
end

-- take: p -> gen, pos, whether something is pending. Every earlier owner of p is fenced from here.
function WARM.take()
  local p = args[at + 1]
  local pos = meta(pos_field(p))
  if not pos then error('there is no partition ' .. as_text(p)) end
  local gen = redis.call('HINCRBY', META, gen_field(p), 1)
  return { gen, tonumber(pos), redis.call('EXISTS', pending_key(p)) }
end

-- resolve: p, gen, from, next, records. Roll back and apply in one call: in two, others could spend the room in
-- between.
function WARM.resolve()
  local p, gen, from, next_offset, count = unpack(args, at + 1, at + 5)
  at = at + 5
  check_records(count)
  if tonumber(meta(gen_field(p)) or -1) ~= gen then return 'fenced' end
  if tonumber(meta(pos_field(p))) ~= from then return 'moved' end
  roll_back(p)
  apply_records(p, count)
  redis.call('HSET', META, pos_field(p), as_text(next_offset))
  return 'ok'
end

-- begin: token, the epoch that is known to be dead -> warm and the present epoch, if it is another; or locked; or
-- begun, the number of partitions (0: Redis is empty) and pos of each
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

-- wipe: names of keys. Only a Redis without partitions is wiped.
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
  redis.call('HSET', META, 'partitions', as_text(partitions))
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
  redis.call('HSET', META, pos_field(p), as_text(next_offset))
  return 'ok'
end

-- activate: nonce, partitions, pos of each
function COLD.activate()
  local nonce, partitions = args[at + 1], args[at + 2]
  at = at + 2
  if tonumber(meta('partitions') or 0) ~= partitions then return 'moved' end
  for p = 0, partitions - 1 do
    if tonumber(meta(pos_field(p))) ~= args[at + 1 + p] then return 'moved' end
    if redis.call('EXISTS', pending_key(p)) == 1 then return 'moved' end
  end
  redis.call('HSET', META, 'epoch', nonce)
  redis.call('DEL', LOCK)
  return 'ok'
end

local operation = args[1]
if NONCE ~= '' then -- a worker; its floor is the newest sequence it saw under this nonce
  local found = redis.call('HMGET', META, 'epoch', 'seq')
  if found[1] ~= NONCE then return 'cold' end
  local seq, floor = tonumber(found[2] or 0), args[2]
  at = 2
  if seq < floor then -- old data was put back under a Redis that kept running
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
