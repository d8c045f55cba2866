#!/bin/sh
# Builds the C guests and runs them on the host kernel.
# usage: run-native.sh [PROGRAM...]; WRAP="sentinel do --" runs them under that.
cd "$(dirname "$0")" || exit 1
out=${OUT:-${TMPDIR:-/tmp}/sentinel-guests}
mkdir -p "$out"
[ $# -gt 0 ] || set -- *.c
bad=0
W="-Wall -Wextra -Wno-stringop-overflow -Wno-stringop-overread -Wno-nonnull -Wno-array-bounds -Wno-dangling-pointer -Wno-infinite-recursion -Wno-unused-result"
for f; do
	f=${f%.c}
	flags=$(sed -n '1s,^/\* build: \(.*\) \*/.*,\1,p' "$f.c")
	if [ ! "$out/$f" -nt "$f.c" ] || [ ! "$out/$f" -nt check.h ] || [ ! "$out/$f" -nt elfcheck.h ]; then
		gcc -std=gnu17 -O1 $W -I. -o "$out/$f" "$f.c" $flags || { bad=1; continue; }
	fi
	if ! timeout ${T:-60} $WRAP "$out/$f" >"$out/$f.out" 2>&1; then
		bad=1
		grep -v '^ok ' "$out/$f.out" | sed "s,^,$f: ,"
	else
		echo "$f: $(tail -n 1 "$out/$f.out")"
	fi
done
exit $bad
