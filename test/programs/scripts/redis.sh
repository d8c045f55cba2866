# redis-server with its client and its benchmark: snapshots by fork, an append-only file.
# sentinel: as=root,nobody timeout=120s
redis-server --port $PORT --bind 127.0.0.1 --unixsocket "$PWD/sock" --save '' --appendonly yes --appendfsync everysec --dir . --logfile log --enable-debug-command yes >/dev/null &
server=$!
r() { redis-cli -p $PORT "$@"; }
for _ in $(seq 100); do [ "$(r ping 2>/dev/null)" = PONG ] && break; sleep 0.05; done
r ping; r set k v; r get k; r incr n; r incrby n 41; r lpush l a b c; r lrange l 0 -1; r hset h f 1; r zadd z 1 a 2 b; r zrange z 0 -1 withscores
redis-cli -s sock get k
r eval 'for i = 1, 10000 do redis.call("set", "key" .. i, string.rep("x", 100)) end return redis.call("dbsize")' 0
r bgsave; for _ in $(seq 100); do r info persistence | grep -q 'rdb_bgsave_in_progress:0' && break; sleep 0.05; done
r info persistence | grep -E 'rdb_last_bgsave_status|aof_enabled' | tr -d '\r'; ls dump.rdb
r bgrewriteaof; for _ in $(seq 100); do r info persistence | grep -q 'aof_rewrite_in_progress:0' && break; sleep 0.05; done
r info persistence | grep aof_last_bgrewrite_status | tr -d '\r'
r set gone x px 50; sleep 0.2; r get gone; r debug sleep 0.1
(sleep 0.3; r publish news hello >/dev/null) & timeout 1 redis-cli -p $PORT subscribe news | head -n 6; wait %%
r --pipe <<<"SET piped 1" ; r get piped; r debug object nosuch; r nosuchcommand
redis-benchmark -p $PORT -n 2000 -c 20 -P 4 -t set,get,lpush,mset -q | tr '\r' '\n' | grep -cE '(SET|GET|LPUSH|MSET.*): [0-9.]+ requests per second'
r shutdown save; wait $server; echo "server $?"
redis-server --port $PORT --bind 127.0.0.1 --appendonly yes --dir . --logfile log >/dev/null & server=$!
for _ in $(seq 100); do [ "$(r ping 2>/dev/null)" = PONG ] && break; sleep 0.05; done
r get k; r get piped; kill -TERM $server; wait $server; echo "server $?"
grep -c 'Ready to accept' log; ls -d appendonlydir
r ping; echo "rc $?"
exit 0
