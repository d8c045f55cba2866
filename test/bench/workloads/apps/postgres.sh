# postgres asked by pgbench -S with 16 clients; prints microseconds a transaction.
# usage: postgres.sh PORT; by an ordinary user, since root may not run postgres.
bin=$(echo /usr/lib/postgresql/*/bin)
dir=/tmp/postgres-$1
busybox cp -a "${0%/*}/postgres" "$dir" || exit 1
"$bin/postgres" -D "$dir" -k "$dir" -p "$1" -c listen_addresses=127.0.0.1 >&2 &
server=$!
trap 'kill -INT $server; wait $server; busybox rm -rf "$dir"' EXIT
ask() { "$bin/pgbench" -h 127.0.0.1 -p "$1" -U bench -S -n "${@:2}" postgres; }
for ((i = 0; i < 400; i++)); do
	ask "$1" -t 1 >/dev/null 2>&1 && break
	kill -0 $server 2>/dev/null || { echo "postgres has ended" >&2; exit 1; }
	sleep 0.05
done
[ $i -lt 400 ] || { echo "postgres does not answer" >&2; exit 1; }
out=$(ask "$1" -c 16 -j 1 -T 2) || exit 1
busybox awk '$1 == "tps" && $3 > 0 { print "pgbench", 1e6 / $3 }' <<<"$out"
