# sqlite3: journals, WAL, locks between processes, an in-memory store.
# sentinel: as=root,nobody
sqlite3 db 'create table t(id integer primary key, v text); insert into t(v) values ("a"),("b");'
sqlite3 db 'select * from t; pragma integrity_check;'
sqlite3 db 'begin; insert into t(v) select "row" || id from t; rollback; select count(*) from t;'
sqlite3 db 'with recursive n(i) as (select 1 union all select i+1 from n where i < 20000) insert into t(v) select hex(i) from n; select count(*), sum(length(v)) from t; create index v on t(v); vacuum; analyze;'
sqlite3 db "select v, count(*) c from t group by v order by c desc, v limit 3; select json_extract('{\"a\":[1,2]}', '\$.a[1]');"
sqlite3 wal 'pragma journal_mode=wal; create table w(x);'
for i in 1 2 3 4; do (for j in $(seq 15); do sqlite3 wal 'pragma busy_timeout=20000; insert into w values (1);' >/dev/null; done) & done; wait
sqlite3 wal 'select count(*) from w; pragma wal_checkpoint(truncate); pragma mmap_size=1000000; select sum(x) from w;'
for i in 1 2 3; do sqlite3 db 'pragma busy_timeout=20000; update t set v = v || "x" where id <= 10;' >/dev/null & done; wait; sqlite3 db 'select v from t where id = 1'
(echo 'begin exclusive;'; sleep 0.6) | sqlite3 db & sleep 0.2; sqlite3 db 'update t set v=1'; echo "busy $?"; wait
sqlite3 db .dump | sha256sum | cut -c1-16; sqlite3 db '.backup copy' && cmp db copy && echo same
sqlite3 nosuchdir/db 'select 1 from t'; echo "rc $?"; sqlite3 db 'select nonsense'; echo "rc $?"
ls
exit 0
