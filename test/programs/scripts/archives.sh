# tar, gzip, xz, bzip2: there and back, sizes and sums.
# sentinel: as=root,nobody
mkdir -p tree/deep/er
seq 1 20000 >tree/numbers
head -c 300000 /dev/zero >tree/zeros
printf 'short' >"tree/name with spaces"
ln -s numbers tree/symlink
ln tree/numbers tree/deep/hardlink
mkfifo tree/fifo
truncate -s 4M tree/sparse
chmod 750 tree/deep; chmod 4755 tree/zeros; touch -d @1000000000 tree/deep/er tree/numbers tree
list() { (cd "$1" && find . ! -type d -printf '%p %y %m %s %n %l\n' -o -type d -printf '%p %y %m\n' | sort; find . -type f -exec sha256sum {} + | sort -k2 | cut -c1-12,65-); }
list tree
for how in '' z J j; do
	tar -c${how}f t$how.tar --sort=name --owner=0 --group=0 --mtime=@1000000000 tree && mkdir out$how && tar -x${how}pf t$how.tar -C out$how && list out$how/tree | sha256sum
	[ -z "$how" ] && sha256sum t.tar
	tar -t${how}f t$how.tar | wc -l
done
tar -cf sparse.tar -S tree/sparse; [ "$(stat -c %s sparse.tar)" -lt 100000 ] && echo sparse kept
tar -cf - tree | (mkdir pipe && tar -xf - -C pipe) && list pipe/tree | sha256sum
tar -rf t.tar "tree/name with spaces"; tar -tf t.tar | grep -c name
tar -xOf t.tar tree/numbers | tail -n 1
tar -df t.tar >/dev/null 2>&1; echo "diff $?"
for z in gzip xz bzip2; do
	$z -k -9 tree/numbers -c >n.$z; $z -dc n.$z | cmp - tree/numbers && $z -t n.$z && echo "$z whole"
	cp tree/zeros z1; $z z1; ls z1*; $z -d z1.*; cmp z1 tree/zeros && echo back; rm z1
	head -c 100 n.$z >cut.$z; $z -dc cut.$z >/dev/null 2>&1; echo "cut $?"
done
xz -T2 -c tree/numbers | xz -dc | sha256sum
gzip -n -c tree/numbers | sha256sum
tar -xf nosuch.tar 2>&1; echo "rc $?"
exit 0
