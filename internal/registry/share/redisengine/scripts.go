package redisengine

import "github.com/redis/go-redis/v9"

// write stores entries of greater rank, counts and streams them, and returns what has a greater rank than
// they. Ranks are hexadecimal digits of one length, so that they compare as text. What does not begin with a rank
// is replaced, and a version that is none begins a new epoch.
//
// KEYS: instances, version, changes. ARGV: an epoch in case there is none, the stream's length, the rank's
// length, then key and rank with value for each entry.
var write = redis.NewScript(`
local newer, length = {}, tonumber(ARGV[3])
local epoch
for i = 4, #ARGV, 2 do
  local rank = string.sub(ARGV[i + 1], 1, length)
  local has = redis.call('HGET', KEYS[1], ARGV[i])
  local its = has and #has >= length and string.match(string.sub(has, 1, length), '^[0-9a-f]+$')
  if not its or its < rank then
    if not epoch then
      epoch = redis.call('HGET', KEYS[2], 'epoch')
      local number = redis.call('HGET', KEYS[2], 'number') or '0'
      if not epoch or #epoch > 64 or #number > 15 or not string.match(number, '^[0-9]+$') then
        epoch = ARGV[1]
        redis.call('HSET', KEYS[2], 'epoch', epoch, 'number', 0)
      end
    end
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    local number = redis.call('HINCRBY', KEYS[2], 'number', 1)
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[2], '*', 'e', epoch, 'n', number, 'k', ARGV[i], 'v', ARGV[i + 1])
  elseif its > rank then
    newer[#newer + 1] = ARGV[i]
    newer[#newer + 1] = has
  end
end
return newer
`)

// forget removes entries that still have a rank.
//
// KEYS: instances. ARGV: key and rank for each entry.
var forget = redis.NewScript(`
for i = 1, #ARGV, 2 do
  local has = redis.call('HGET', KEYS[1], ARGV[i])
  if has and string.sub(has, 1, #ARGV[i + 1]) == ARGV[i + 1] then
    redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return 0
`)

// setAside renames a key that another program has made, unless it is of the right type and in a usable state. It returns
// whether it did so.
//
// KEYS: the key, its new name. ARGV: a command that fails for keys of a wrong type.
var setAside = redis.NewScript(`
local size = redis.pcall(ARGV[1], KEYS[1])
if size == 0 then return 0 end
if type(size) == 'number' then
  local full = false
  if ARGV[1] == 'XLEN' then
    local has = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #has, 2 do
      full = full or has[i] == 'last-generated-id' and string.sub(has[i + 1], 1, 21) == '18446744073709551615-'
    end
  end
  if not full then return 0 end
end
return redis.call('RENAMENX', KEYS[1], KEYS[2])
`)
