# What bash scripts are made of.
# sentinel: as=root,nobody
echo "-- pipelines"
seq 1 1000 | awk '{ s += $1 } END { print s }'
printf '%s\n' b a c | sort | tr '\n' ' ' | rev; echo
false | true | false; echo "${PIPESTATUS[@]}"
set -o pipefail; true | false | true; echo "pipefail $?"; set +o pipefail
yes | head -n 3
yes | head -n 1 >/dev/null; echo "${PIPESTATUS[@]}"
seq 1 200000 | sha256sum | cut -c1-16
cat /dev/zero | head -c 3000000 | wc -c
echo "-- here-documents"
name=world
cat <<EOF
hello $name $((6 * 7)) $(echo nested)
EOF
cat <<'EOF'
no $expansion
EOF
cat <<-EOF
	tabs gone
	EOF
tr a-z A-Z <<<"here string"
wc -c <<<"$(head -c 100000 /dev/zero | tr '\0' x)"
echo "-- process substitution"
diff <(printf 'a\nb\n') <(printf 'a\nc\n'); echo "diff $?"
paste -d, <(seq 3) <(seq 4 6)
seq 5 | tee >(wc -l >lines) >/dev/null; sleep 0.2; cat lines
while read -r x; do n=$((n + x)); done < <(seq 10); echo "n=$n"
echo "-- traps"
trap 'echo usr1' USR1; kill -USR1 $$; trap - USR1
(trap 'echo exit trap $?' EXIT; exit 5); echo "rc $?"
(trap 'echo term; exit 9' TERM; (sleep 0.1; kill -TERM $BASHPID) & while :; do sleep 0.05; [ -n "$(jobs -r)" ] || kill -TERM $BASHPID; done); echo "rc $?"
trap 'echo "err at rc $?"' ERR; false; trap - ERR
(trap '' INT; kill -INT $BASHPID; echo ignored)
(kill -KILL $BASHPID); echo "killed $?"
bash -c 'kill -SEGV $$'; echo "segv $?"
bash -c 'kill -TERM $$'; echo "term $?"
echo "-- jobs"
sleep 0.3 & sleep 0.2 & (exit 3) & pids=($!)
wait "${pids[0]}"; echo "wait $?"
wait; echo "all $?"
(sleep 0.1; exit 4) & (exec sleep 5) & slow=$!; wait -n; echo "first $?"; kill $slow; wait $slow; echo "killed $?"
sleep 30 & kill %%; wait %% 2>/dev/null; echo "job $?"
coproc up { while read -r l; do echo "${l^^}"; done; }
echo shout >&"${up[1]}"; read -r answer <&"${up[0]}"; echo "$answer"; exec {up[1]}>&-; wait
sleep 10 & disown; kill $!
echo "-- redirections"
exec 5>five; echo to five >&5; exec 5>&-; cat five
{ echo out; echo err >&2; } >both 2>&1; cat both
echo more >>both; wc -l <both
exec 6<>both; read -r l <&6; echo "read $l"; echo over >&6; exec 6>&-; cat both
cat <nosuch; echo "rc $?"
set -C; echo x >both; echo "noclobber $?"; set +C
echo a >f1; ln -sf f1 f2; echo b >f2; cat f1
: >&9; echo "badfd $?"
ls -l /dev/fd/ >/dev/null; echo /dev/fd works </dev/null
echo through >/dev/stdout; cat /dev/stdin <<<"std in"; echo "std err" >/dev/stderr
mkfifo pipe; (echo by fifo >pipe &) ; cat pipe
echo "-- variables"
declare -A map=([one]=1 [two]=2); for k in $(printf '%s\n' "${!map[@]}" | sort); do echo "$k ${map[$k]}"; done
a=(x y z); echo "${#a[@]} ${a[-1]} ${a[*]:1}"
s=hello.tar.gz; echo "${s%%.*} ${s#*.} ${s/l/L} ${s: -2} ${s^}"
mapfile -t m < <(seq 4); echo "${m[3]}"
read -r -t 0.1 nothing < <(sleep 1); echo "timeout $(($? > 128))"
printf '%05.1f|%-5s|%x|%q\n' 3.14159 ab 255 "a b"
[[ foo123 =~ ([a-z]+)([0-9]+) ]] && echo "${BASH_REMATCH[2]}"
echo {1..5} {a..e..2} x{1,2}y
shopt -s extglob nullglob
touch g1.txt g2.txt g3.log; echo *.txt !(*.txt) nosuch*
echo "-- limits and ids"
umask 027; touch masked; stat -c %a masked; umask
(ulimit -n 20; ulimit -n); (ulimit -c 0; ulimit -c)
(ulimit -f 1; head -c 4096 /dev/zero >big; echo "fsize $?") 2>/dev/null
[ $$ != $BASHPID ] ; ( [ $$ != $BASHPID ] && echo subshell )
id -u; test -w /etc/passwd; echo "w $?"
f() { local v=in; echo "$v $# $1"; return 7; }; f "a b" c; echo "f $?"
eval 'echo $((2**62))'; echo $((10#077 + 0x1f))
exec 2>/dev/null; nosuchcommand; echo "127 $?"; ./f1; echo "126 $?"
time -p true
exit 0
