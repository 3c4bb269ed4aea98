package redisengine

import "github.com/redis/go-redis/v9"

// write stores entries of greater rank, counts and streams them, and returns what has a greater rank than
// they. Ranks are hexadecimal digits of one length, so that they compare as text. What does not begin with a rank
// is replaced.
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
      redis.call('HSETNX', KEYS[2], 'epoch', ARGV[1])
      epoch = redis.call('HGET', KEYS[2], 'epoch')
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
