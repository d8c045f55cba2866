# openssl: digests, ciphers, keys, certificates, and TLS between two processes.
# sentinel: as=root,nobody timeout=120s
echo text >plain
for d in md5 sha1 sha256 sha3-512 blake2b512; do openssl dgst -$d plain; done
openssl enc -aes-256-cbc -pbkdf2 -pass pass:secret -in plain -out sealed && openssl enc -d -aes-256-cbc -pbkdf2 -pass pass:secret -in sealed
# With a salt of its own choice a wrong key finds good padding once in 256 times.
salt='-S 0001020304050607'
openssl enc -aes-256-cbc -pbkdf2 $salt -pass pass:secret -in plain -out salted
openssl enc -d -aes-256-cbc -pbkdf2 $salt -pass pass:wrong -in salted >/dev/null 2>&1; echo "wrong $?"
openssl rand -hex 16 | wc -c; openssl base64 -in plain
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pem && openssl dgst -sha256 -sign ec.pem -out sig plain && openssl pkey -in ec.pem -pubout -out pub.pem && openssl dgst -sha256 -verify pub.pem -signature sig plain
openssl genrsa -out rsa.pem 2048 2>/dev/null && openssl rsa -in rsa.pem -check -noout
openssl req -x509 -new -key ec.pem -subj /CN=localhost -days 30 -addext subjectAltName=DNS:localhost -out cert.pem && openssl x509 -in cert.pem -noout -subject && openssl verify -CAfile cert.pem cert.pem
openssl s_server -accept 127.0.0.1:$PORT -cert cert.pem -key ec.pem -www -quiet >/dev/null 2>&1 & server=$!
for _ in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/$PORT) 2>/dev/null && break; sleep 0.05; done
{ printf 'GET / HTTP/1.0\r\n\r\n'; sleep 2; } | openssl s_client -connect 127.0.0.1:$PORT -CAfile cert.pem -servername localhost -verify_hostname localhost -verify_return_error -quiet 2>/dev/null | grep -ac 'HTTP/1.0 200'
curl -s --cacert cert.pem --resolve localhost:$PORT:127.0.0.1 https://localhost:$PORT/ | grep -c 'Ciphers supported'
curl -s https://127.0.0.1:$PORT/; echo "untrusted $?"
kill $server; wait $server 2>/dev/null
openssl speed -seconds 1 -bytes 1024 sha256 >/dev/null 2>&1; echo "speed $?"
openssl x509 -in plain >/dev/null 2>&1; echo "bad $?"
exit 0
