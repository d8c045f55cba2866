# nginx with worker processes, asked by curl and wrk.
# sentinel: as=root,nobody timeout=120s
mkdir -p www logs conf
cp "$DATA/picture.bmp" www/picture.bmp; echo '<h1>hello</h1>' >www/index.html; seq 1 50000 >www/numbers.txt
cat >conf/nginx.conf <<EOF
daemon off; master_process on; worker_processes 2; pid $PWD/nginx.pid; error_log $PWD/logs/error.log;
$([ "$(id -u)" = 0 ] && echo 'user root;')
events { worker_connections 128; }
http {
	access_log $PWD/logs/access.log; sendfile on; tcp_nopush on; gzip on; gzip_types text/plain; etag off;
	client_body_temp_path $PWD/body; proxy_temp_path $PWD/proxy; fastcgi_temp_path $PWD/fcgi; uwsgi_temp_path $PWD/uwsgi; scgi_temp_path $PWD/scgi;
	types { text/html html; text/plain txt; image/bmp bmp; }
	server {
		listen 127.0.0.1:$PORT; root $PWD/www;
		location /api { default_type text/plain; return 200 "api \$request_method\n"; }
		location /proxy/ { proxy_pass http://unix:$PWD/up.sock:/; }
		location /list/ { alias $PWD/www/; autoindex on; }
	}
	server { listen unix:$PWD/up.sock; root $PWD/www; }
}
EOF
nginx -e logs/error.log -p . -c "$PWD/conf/nginx.conf" -t 2>&1 | sed "s#$PWD##"
nginx -e logs/error.log -p . -c "$PWD/conf/nginx.conf" & server=$!
url=http://127.0.0.1:$PORT
for _ in $(seq 100); do curl -s $url/ >/dev/null && break; sleep 0.05; done
curl -s $url/; curl -s -X POST -d x=1 $url/api; curl -s $url/picture.bmp | sha256sum
curl -s --compressed $url/numbers.txt | sha256sum; curl -s -r 0-99 $url/numbers.txt | wc -c; curl -s -o /dev/null -w '%{http_code} %{size_download}\n' $url/nosuch
curl -s $url/proxy/numbers.txt | sha256sum; curl -s --unix-socket up.sock http://x/ ; curl -s $url/list/ | grep -c href
curl -sI $url/ | tr -d '\r' | grep -E '^(HTTP|Content)'; curl -s --parallel --parallel-max 8 "$url/api?[1-40]" 2>/dev/null | sort | uniq -c
head -c 2000000 /dev/zero | curl -s -T - -o /dev/null -w '%{http_code}\n' $url/api
wrk -t2 -c16 -d1s $url/ | grep -cE 'Requests/sec: +[0-9.]+'
wrk -t1 -c4 -d1s $url/picture.bmp | grep -c 'Non-2xx'
kill -HUP $server; sleep 0.3; curl -s $url/; kill -USR1 $server; sleep 0.2
kill -QUIT $server; wait $server; echo "server $?"; ls nginx.pid; [ -s logs/access.log ] && echo logged
grep -E '\[(emerg|alert|crit)\]' logs/error.log; curl -s $url/; echo "refused $?"
exit 0
