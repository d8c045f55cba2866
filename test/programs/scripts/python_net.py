# http.server with urllib, TLS, sockets of every kind. Also without a network: loopback is enough.
# sentinel: as=root,nobody flags=--network=none timeout=90s
import array, http.server, os, select, socket, socketserver, ssl, struct, subprocess, sys, threading, urllib.error, urllib.request, xmlrpc.client

os.makedirs("www")
open("www/file", "wb").write(b"content " * 20000)
class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def __init__(self, *a): super().__init__(*a, directory="www")
    def log_message(self, *a): pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body[::-1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/"
print(len(urllib.request.urlopen(url + "file").read()), urllib.request.urlopen(url, b"abc" * 5).read())
try:
    urllib.request.urlopen(url + "nosuch")
except urllib.error.HTTPError as e:
    print(e.code, e.reason)
print(b"file" in urllib.request.urlopen(url).read())
server.shutdown(); server.server_close()
try:
    urllib.request.urlopen(url)
except urllib.error.URLError as e:
    print(e.reason)

subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); ctx.load_cert_chain("cert.pem", "key.pem")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
server.socket = ctx.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
good = ssl.create_default_context(cafile="cert.pem")
with good.wrap_socket(socket.create_connection(server.server_address), server_hostname="localhost") as s:
    print(s.version(), dict(x[0] for x in s.getpeercert()["subject"]))
    s.sendall(b"GET /file HTTP/1.0\r\n\r\n")
    n = 0
    while d := s.recv(65536): n += len(d)
    print(n > 160000)
try:
    ssl.create_default_context().wrap_socket(socket.create_connection(server.server_address), server_hostname="localhost")
except ssl.SSLCertVerificationError as e:
    print(e.verify_message)

for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0)), (socket.AF_UNIX, "stream"), (socket.AF_UNIX, "\0sentinel-abstract")):
    l = socket.socket(family); l.bind(address); l.listen()
    c = socket.socket(family); c.connect(l.getsockname()); s, peer = l.accept()
    c.sendall(b"hello"); print(family.name, s.recv(10), s.send(b"back"), c.recv(2, socket.MSG_PEEK), c.recv(10))
    c.shutdown(socket.SHUT_WR); print(s.recv(10), s.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE))
    c.settimeout(0.02)
    try: c.recv(1)
    except TimeoutError as e: print(e)
    s.close(); print(c.recv(1)); c.close(); l.close()
for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_UNIX, "dgram")):
    a = socket.socket(family, socket.SOCK_DGRAM); a.bind(address)
    b = socket.socket(family, socket.SOCK_DGRAM); b.connect(a.getsockname())
    b.send(b"one"); b.send(b"two"); print(a.recv(2), a.recv(10), select.select([a], [], [], 0.01))
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
a.send(b"first"); a.send(b"second"); print(b.recv(3), b.recv(100))
a, b = socket.socketpair()
socket.send_fds(a, [b"fds"], [os.open("www/file", os.O_RDONLY)]); msg, fds, *_ = socket.recv_fds(b, 10, 4); print(msg, os.read(fds[0], 7))
print([x >= 0 for x in struct.unpack("3i", a.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))], struct.unpack("3i", a.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1] == os.getuid())
a.close()
try: b.send(b"x"); b.send(b"x")
except OSError as e: print(e.strerror)
print(socket.getaddrinfo("127.0.0.1", "http", type=socket.SOCK_STREAM)[0][4], socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "::1")), ("lo" in [n for _, n in socket.if_nameindex()]))
try: socket.getaddrinfo("no.such.invalid", 80)
except socket.gaierror: print("unresolved")
for bad in (lambda: socket.socket(socket.AF_INET).connect(("127.0.0.1", 1)), lambda: socket.socket(socket.AF_UNIX).connect("nosuch"), lambda: socket.socket(socket.AF_INET).bind(("192.0.2.1", 0)), lambda: socket.socket(999)):
    try: print(bad())
    except OSError as e: print(type(e).__name__, e.errno)
