# What a user may do and may not.
# As root it writes all over the file system: the test gives it an overlay.
# sentinel: as=root,nobody native=overlay
[ "$(id -u)" != 0 ] || [ -n "$SENTINEL_TEST" ] || { echo "as root only in a test" >&2; exit 1; }
id; umask 022
for f in /etc/shadow /root /etc/passwd /var/lib/nosuch; do [ -r $f ]; r=$?; [ -w $f ]; w=$?; [ -x $f ]; echo "$f r$r w$w x$?"; done
head -c 0 /etc/shadow; echo "shadow $?"; ls /root >/dev/null; echo "root $?"
touch /etc/new-file; echo "touch $?"; [ -e /etc/new-file ] && cat /etc/new-file && rm /etc/new-file
echo x >>/etc/hostname; echo "append $?"; [ "$(id -u)" = 0 ] && tail -n 1 /etc/hostname
mkdir /usr/new-dir; echo "mkdir $?"; rmdir /usr/new-dir
chmod 600 /etc/passwd; echo "chmod $?"; chmod 644 /etc/passwd
rm -f /etc/nosuch; rm -f /etc/issue; echo "rm $?"; [ "$(id -u)" = 0 ] && ls /etc/issue
mkdir mine; chmod 0 mine; ls mine; echo "ls $?"; touch mine/x; echo "touch $?"; chmod 700 mine
echo data >file; chmod 0 file; cat file; echo "cat $?"; chmod 200 file; cat file; echo "cat $?"; echo more >file; echo "write $?"
cp /bin/true prog; chmod 600 prog; ./prog; echo "exec $?"; chmod 100 prog; ./prog; echo "exec $?"
mkdir -m 1777 sticky; touch sticky/f; rm sticky/f; echo "sticky $?"
nice -n -5 true; echo "nice $?"
chown 1234:1234 file; echo "chown $?"; stat -c '%u %g' file; chgrp 1 file; echo "chgrp $?"
chroot / /bin/true; echo "chroot $?"
su nobody -s /bin/sh -c id </dev/null 2>/dev/null; [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --regid 65534 --clear-groups sh -c 'id; cat /etc/shadow; touch x; echo $?'
ulimit -Hn >/dev/null; (ulimit -Sn 50; ulimit -Sn; ulimit -Hn 60; ulimit -Hn; [ "$(id -u)" = 0 ] || { ulimit -n 70; echo "raise $?"; })
exit 0
