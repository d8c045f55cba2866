# Each command of coreutils that makes sense in a sandbox.
# sentinel: as=root,nobody
t() { echo "== $*"; "$@"; echo "rc $?"; }
p() { echo "== $1"; bash -c "$1"; echo "rc $?"; }
printf 'banana\napple\ncherry\napple\n' >fruit
seq 1 30 >numbers
p '[ 3 -lt 4 ]'; t test -d .; t test -f nosuch
t arch; t b2sum fruit; t base32 fruit; t base64 fruit; t basename /a/b.c .c
p 'basenc --base16 fruit'
t cat -nET fruit; t chmod 640 fruit; t stat -c '%a %F %s %h' fruit
p 'chown $(id -u):$(id -g) fruit'; p 'chgrp $(id -g) fruit'
p 'cksum fruit'; p 'printf "a\nb\n" >x1; printf "b\nc\n" >x2; comm x1 x2'
t cp -v fruit fruit2; t cp -a fruit fruit3; p 'mkdir -p d/e/f; cp -r fruit d/e; cp -rv d d2 | sort'
t cp --reflink=auto --sparse=always fruit fruit4; t cp nosuch x; t cp -u fruit fruit2; t cp -l fruit hard
t csplit -s numbers 10 20; t cat xx01; t cut -c2-4 fruit; p 'echo a:b:c | cut -d: -f2'
t date -u -d @1600000000 +%FT%T; t date -d 2020-02-30; t dd if=numbers of=dd.out bs=7 count=3 skip=1 status=none; t cat dd.out
p 'dd if=/dev/zero of=sparse bs=1 count=0 seek=1M status=none; stat -c %s sparse; truncate -s 10 sparse; stat -c %s sparse'
p 'dd if=numbers of=numbers2 conv=notrunc oflag=append status=none; wc -c numbers2'
p 'df . >/dev/null'; t dirname /a/b/c; t dircolors -p; p 'du -sb d'; p 'du --apparent-size -ab d | sort -k2'
t echo -e 'a\tb'; p 'env -i A=1 env'; p 'env A=2 sh -c "echo \$A"'; t expand -t4 fruit; p 'printf "a\tb\n" | expand | unexpand -a'
t expr 6 '*' 7; t expr abc : 'a\(.\)'; t expr 1 / 0; t factor 360 97 18446744073709551557; t false; t fmt -w 20 fruit; t fold -w 3 fruit
p 'groups >/dev/null'; t head -n 2 fruit; t head -c -3 fruit; p 'hostid >/dev/null'; p 'id -u; id -g; id -nu'
t install -D -m 755 fruit in/st/all; t stat -c %a in/st/all; t join x1 x2; p 'printf "k 1\n" >j1; printf "k 2\n" >j2; join j1 j2'
t link fruit linked; t stat -c %h fruit; t ln -s fruit soft; t ln -sr fruit d/soft; t readlink d/soft; t readlink -f d/soft; t ln fruit fruit; t ln -sfn d soft2; t ln nosuch x
t ls; t ls -1F; p 'ls -l fruit soft | cut -c1-10'; p 'ls -li fruit linked | cut -d" " -f1 | uniq | wc -l'; t ls nosuch; p 'ls -laR d | grep -c .'; p 'ls -S --sort=size -1 f*'
t md5sum fruit; p 'md5sum fruit >sum; md5sum -c sum'; t mkdir d; t mkdir -m 700 private; t stat -c %a private; t mkdir -p d/e/f; t mkdir nosuch/x
t mkfifo fifo; t stat -c %F fifo; p 'mktemp -d ./tmp.XXXX | wc -c'; p 'mktemp -p . | wc -c'; t mv -v fruit2 moved; t mv nosuch x; t mv moved d; t mv -n d/moved fruit3; t mv -T d/moved back; p 'mv d e && ls e && mv e d'
t nice -n 5 nice; t nl fruit; p 'nohup echo hup </dev/null 2>&1'; p '[ $(nproc) -ge 1 ]'; t numfmt --to=iec 1048576; t od -An -tx1 fruit; t od -c fruit
t paste fruit x1; t pathchk fruit; p 'pathchk $(printf %0300d 1)'; p 'pr -t -2 numbers'; t printenv LANG; t printf '%s-%d\n' a 1 b 2; t ptx fruit; p 'cd d; pwd; pwd -P | grep -c d'
t readlink soft; t readlink nosuch; t realpath -m --relative-to=. d/../x; t realpath nosuch/x; t rm hard; t rm nosuch; t rm -f nosuch; t rm d; t rm -rv in; t rmdir private; t rmdir d; t rmdir -p a/b
p 'mkdir -p many; for i in $(seq 300); do : >many/$i; done; ls many | wc -l; rm -r many; ls many'
t seq 1 3 10; t seq -f %03g 3; t sha1sum fruit; t sha224sum fruit; t sha256sum fruit; t sha384sum fruit; t sha512sum fruit; p 'shred -u linked; ls linked'
p 'shuf -n 5 --random-source=numbers numbers'; p 'shuf -i 1-5 | sort'; t sleep 0.01; t sort fruit; t sort -u fruit; p 'sort -R fruit | sort'; p 'seq 20000 | sort -rn -S 64k -T . | head -n 2'; t sort -c fruit
t split -l 10 numbers part; t wc -l partaa partab partac; p 'split -n 3 --additional-suffix=.n numbers; ls x*.n'; p 'seq 10 | split -l 5 --filter="wc -l"'
t stat -c '%n %F %a %s' fruit soft fifo d; t stat -L -c %F soft; t stat nosuch; p 'stat -f -c %t . >/dev/null'; p 'stdbuf -oL echo buffered'; p 'stty -a </dev/null'; t sum fruit; t sync; t sync fruit; p 'tac numbers | head -n 2'
t tail -n 2 fruit; t tail -c 4 fruit; t tail -n +3 fruit; p 'tail -f numbers & sleep 0.1; echo new >>numbers; sleep 1.2; kill $!'; p 'echo t | tee a1 a2; cat a1 a2'; p 'echo t | tee -a a1 /nosuch/x; cat a1'
t timeout 0.1 sleep 5; p 'exec 2>/dev/null; timeout -s KILL 0.1 sleep 5; echo $?'; t timeout 5 sh -c 'exit 3'; t timeout --preserve-status 0.1 sleep 5
t touch -d '2001-02-03 04:05:06.123456789' stamp; t stat -c %y stamp; t touch -r stamp stamp2; t stat -c %Y stamp2; t touch -a -d @5 stamp; t stat -c '%X %Y' stamp; t touch nosuch/x; t touch -c nosuch; p 'touch -h -d @9 soft; stat -c %Y soft'
p 'echo hello | tr a-y b-z'; p 'echo aabb | tr -s a'; t true; t truncate -s 5 dd.out; t truncate -s +3 dd.out; t od -c dd.out; t tsort x1; p 'tty </dev/null'
t uname -s; t uname -m; t uniq -c fruit; p 'sort fruit | uniq -d'; t unlink stamp2; t unlink nosuch; t vdir nosuch; t wc fruit; t wc -L fruit; p 'whoami >/dev/null'; p 'yes y | head -n 2'
p 'chmod u+s fruit3; stat -c %a fruit3; chmod 1777 d; stat -c %A d; chmod a=,u=rwx d; stat -c %a d'
p 'cd /; pwd; cd /proc/self && basename "$(pwd -P)" | grep -cE "^[0-9]+$"'
echo "-- find, grep, sed, awk and others"
mkdir -p tree/a/b tree/c; echo one >tree/a/1; echo two >tree/a/b/2; echo three >tree/c/3; ln -s ../a tree/c/link
t find tree -type f -newer nosuch; p 'find tree | sort'; p 'find -L tree -name 2 | sort'; p 'find tree -type f -exec wc -c {} + | sort'; p 'find tree -size -10c -type f -printf "%f %s %d\n" | sort'; p 'find tree -print0 | xargs -0 -n2 echo | wc -l'; p 'seq 20 | xargs -P 4 -n 5 echo | sort'; p 'find tree -depth -delete; ls tree'
p 'grep -n apple fruit; grep -c . numbers; grep -rl banana . | sort | head -n 3; grep x nosuch'; p 'sed -n "2,3p;s/a/A/gp" fruit'; p 'cp fruit e1; sed -i s/apple/pear/ e1; cat e1'
p 'awk -F: "{ n++ } END { print n > 0 }" /etc/passwd'; p 'awk "BEGIN { while ((\"seq 3\" | getline l) > 0) s += l; print s; print 2^31 | \"cat\" }"'; p 'mawk "BEGIN { print substr(\"hello\", 2, 3) }"'
p 'diff -u fruit e1 | tail -n +3'; p 'cmp fruit e1'; p 'diff -r tree nosuch'; p 'echo "2^100; scale=5; 1/3" | bc'; t file fruit; p 'printf "a b\n" | less -F'; p 'which ls sh'; p 'getent passwd root; getent hosts localhost >/dev/null'
p 'flock lock echo locked; exec 9>lock; flock -n 9 && flock -n lock echo never'; p 'setsid echo new session'; p 'ps -o pid= -p $$ | grep -c .'; p 'pgrep -f nosuchprocess'; p 'kill -0 $$; kill -l TERM; kill 999999'; p 'sleep 5 & pkill -P $$ sleep; wait $!'; p 'rev fruit; column -t x1; hexdump -C x1'; p 'getopt -o ab: -- -a -b c d'; p 'mountpoint -q /proc'; p 'free -b | grep -c Mem; uptime >/dev/null; vmstat >/dev/null; w >/dev/null; top -bn1 >/dev/null'
exit 0
