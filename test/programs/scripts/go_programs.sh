# Go programs: HTTP server and client, goroutines and the collector, signals and children.
# sentinel: as=root,nobody
[ -n "$BIN" ] || { BIN=$PWD; (cd "$(dirname "$0")/.." && go build -o "$BIN" ./guests/...); }
for p in nethttp goroutines signals; do
	"$BIN/$p"; echo "rc $?"
done
GOMAXPROCS=1 "$BIN/goroutines"; GODEBUG=asyncpreemptoff=1 GOGC=1 "$BIN/nethttp"
exit 0
