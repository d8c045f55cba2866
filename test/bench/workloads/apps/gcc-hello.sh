# Compiles a file and runs what comes out. usage: gcc-hello.sh FILE
out=/tmp/compiled-$$
gcc -O1 -o $out "$1" && $out
status=$?
rm -f $out
exit $status
