# nginx with a page of 1 KiB asked by wrk; prints microseconds a request. usage: nginx.sh PORT
dir=/tmp/nginx-$1
busybox mkdir -p "$dir"
# Without CAP_SETGID a worker can be no other user, and logs that it is root.
cat >"$dir/nginx.conf" <<EOF
daemon off; user root; worker_processes 1; pid $dir/pid; error_log stderr;
events { worker_connections 128; }
http {
	access_log off; sendfile on; tcp_nopush on;
	client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fcgi; uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
	types { text/html html; }
	server { listen 127.0.0.1:$1; root ${0%/*}/www; }
}
EOF
nginx -e stderr -p "$dir" -c "$dir/nginx.conf" &
server=$!
trap 'kill $server; wait $server; busybox rm -rf "$dir"' EXIT
for ((i = 0; i < 400; i++)); do
	busybox wget -q -O /dev/null "http://127.0.0.1:$1/" 2>/dev/null && break
	sleep 0.05
done
[ $i -lt 400 ] || { echo "nginx does not answer" >&2; exit 1; }
out=$(wrk -t 1 -c 16 -d 2s "http://127.0.0.1:$1/") || exit 1
case $out in *"Socket errors"* | *Non-2xx*) echo "$out" >&2; exit 1 ;; esac
busybox awk '$1 == "Requests/sec:" && $2 > 0 { print "nginx-wrk", 1e6 / $2 }' <<<"$out"
