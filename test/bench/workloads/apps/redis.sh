# redis-server asked by redis-benchmark; prints microseconds a request. usage: redis.sh PORT [REQUESTS]
redis-server --port "$1" --bind 127.0.0.1 --save '' --appendonly no --dir /tmp --loglevel warning >&2 &
server=$!
trap 'kill $server; wait $server' EXIT
for ((i = 0; i < 400; i++)); do
	[ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ] && break
	sleep 0.05
done
[ $i -lt 400 ] || { echo "redis-server does not answer" >&2; exit 1; }
out=$(redis-benchmark -p "$1" -n "${2:-50000}" -c 50 -t set,get --csv) || exit 1
busybox awk -F '"' '$2 == "SET" || $2 == "GET" { print "redis-" tolower($2), 1e6 / $4 }' <<<"$out"
