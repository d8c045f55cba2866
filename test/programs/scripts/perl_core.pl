# Perl: processes, pipes, signals, files, sockets.
# sentinel: as=root,nobody
use strict; use warnings;
use POSIX qw(:sys_wait_h :signal_h strftime); use Socket; use File::Temp qw(tempfile tempdir); use File::Find; use Cwd; use Fcntl qw(:flock :seek); use IO::Select; use IO::Socket::INET; use Time::HiRes qw(sleep alarm time); use Digest::SHA qw(sha256_hex); use IPC::Open3; use Data::Dumper; use List::Util qw(sum);
$| = 1;
my ($fh, $name) = tempfile(UNLINK => 1); print $fh "line $_\n" for 1 .. 3; close $fh;
open my $in, '<', $name or die; my @l = <$in>; print scalar(@l), " $l[2]"; close $in;
print `echo back; exit 2`, $? >> 8, "\n"; system("kill -TERM \$\$"); print $? & 127, "\n";
my $pid = fork; if (!$pid) { exit 7 } waitpid $pid, 0; print WEXITSTATUS($?), "\n";
pipe my $r, my $w; $pid = fork; if (!$pid) { close $r; print $w "from child\n"; exit } close $w; print scalar <$r>; wait;
{ local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 0.05; sleep 5 }; print $@ }
$SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$; $SIG{CHLD} = sub { print "chld\n" if waitpid(-1, WNOHANG) > 0 }; fork or exit; sleep 0.2; $SIG{CHLD} = 'DEFAULT';
my $dir = tempdir(CLEANUP => 1); mkdir "$dir/a"; open my $o, '>', "$dir/a/f"; print $o "x" x 5000; close $o; symlink 'f', "$dir/a/s"; my @found; find(sub { push @found, $_ }, $dir . "/a"); print join(' ', sort @found), ' ', -s "$dir/a/f", ' ', readlink "$dir/a/s", "\n";
printf "%o %s\n", (stat "$dir/a")[2] & 07777, -l "$dir/a/s" ? 'link' : 'no'; utime 5, 6, "$dir/a/f"; print((stat "$dir/a/f")[9], "\n"); rename "$dir/a/f", "$dir/g" or die; print -e "$dir/g", "\n"; unlink "$dir/none" or print "$!\n"; open my $no, '<', '/nosuch' or print "$!\n";
open my $lock, '>', "$dir/l"; print flock($lock, LOCK_EX), "\n"; truncate $lock, 100; print -s $lock, "\n"; seek $lock, 50, SEEK_SET; print tell $lock, "\n";
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die; $pid = fork; if (!$pid) { my $c = $server->accept; print $c uc <$c>; exit } my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->sockport) or die; print $c "shout\n"; print scalar <$c>; waitpid $pid, 0;
$pid = open3(my $ci, my $co, undef, 'tr', 'a-z', 'A-Z'); print $ci "open3\n"; close $ci; print <$co>; waitpid $pid, 0;
socketpair my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC; syswrite $a, "pair"; my $buf; print IO::Select->new($b)->can_read(1) ? 'readable ' : '', sysread($b, $buf, 10), " $buf\n";
print sha256_hex('x'), ' ', sum(1 .. 100), ' ', strftime('%F', gmtime 86400 * 365), "\n"; local $Data::Dumper::Sortkeys = 1; print Dumper({ a => [1, 2], b => { c => undef } });
my $t = 'The quick brown fox'; (my $u = $t) =~ s/(\w+)/\u\L$1/g; print "$u\n"; print join(',', map { sprintf '%02x', $_ } unpack 'C*', pack 'nN', 258, 16909060), "\n"; my %count; $count{$_}++ for split //, 'mississippi'; print join(' ', map { "$_$count{$_}" } sort keys %count), "\n";
open my $p, '-|', 'seq', '5' or die; print sum(<$p>), "\n"; close $p; $0 = 'renamed'; print "done\n"; warn "to stderr\n"; exec 'sh', '-c', 'echo exec; exit 0';
