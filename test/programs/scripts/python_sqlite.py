# The sqlite3 module, threads and a WAL; ctypes; decimal; curses-free text tools.
# sentinel: as=root,nobody
import csv, ctypes, decimal, io, json, re, sqlite3, threading, bz2, gzip, lzma, tarfile, hashlib, difflib, logging, configparser, os
db = sqlite3.connect("db", timeout=20)
db.execute("pragma journal_mode=wal")
db.execute("create table t(id integer primary key, v text, n real)")
with db:
    db.executemany("insert into t(v, n) values (?, ?)", ((f"v{i}", i / 3) for i in range(5000)))
print(db.execute("select count(*), round(sum(n), 3) from t").fetchone())
def add(k):
    own = sqlite3.connect("db", timeout=20)
    for i in range(10):
        with own:
            own.execute("insert into t(v, n) values (?, ?)", (f"thread{k}", i))
    own.close()
ts = [threading.Thread(target=add, args=(k,)) for k in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]
print(db.execute("select v, count(*) from t where v like 'thread%' group by v order by v").fetchall())
try:
    with db:
        db.execute("insert into t(id) values (1)")
except sqlite3.IntegrityError as e:
    print(e)
db.create_function("rev", 1, lambda s: s[::-1]); print(db.execute("select rev(v) from t limit 1").fetchone())
copy = sqlite3.connect(":memory:"); db.backup(copy); print(copy.execute("pragma integrity_check").fetchone(), len(list(copy.iterdump())))
db.close(); print(sorted(os.listdir(".")))
libc = ctypes.CDLL(None); print(libc.abs(-5), ctypes.string_at(ctypes.create_string_buffer(b"buffer")))
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))(lambda a, b: a[0] - b[0])
values = (ctypes.c_int * 5)(5, 3, 1, 4, 2); libc.qsort(values, 5, 4, callback); print(list(values))
print(decimal.Decimal(1) / 7, re.sub(r"(\w)(\d)", r"\2\1", "a1b2"), json.dumps({"ü": [1.5, None]}), hashlib.blake2s(b"x").hexdigest()[:8])
data = os.urandom(1000) + b"y" * 100000
print([m.decompress(m.compress(data)) == data for m in (bz2, gzip, lzma)])
with tarfile.open("t.tgz", "w:gz") as t: t.add("db")
with tarfile.open("t.tgz") as t: print(t.getnames())
