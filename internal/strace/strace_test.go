package strace

import (
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
)

// memory is guest memory from address 0x1000 on.
type memory []byte

func (m memory) at(addr uint64, n int) ([]byte, int) {
	if addr < 0x1000 || addr-0x1000 >= uint64(len(m)) {
		return nil, 0
	}
	b := m[addr-0x1000:]
	return b, min(n, len(b))
}

func (m memory) CopyIn(addr uint64, dst []byte) (int, error) {
	b, n := m.at(addr, len(dst))
	copy(dst, b[:n])
	if n < len(dst) {
		return n, linux.EFAULT
	}
	return n, nil
}

func (m memory) CopyOut(addr uint64, src []byte) (int, error) {
	b, n := m.at(addr, len(src))
	copy(b[:n], src)
	if n < len(src) {
		return n, linux.EFAULT
	}
	return n, nil
}

func (m memory) put(off int, s string) uint64 {
	copy(m[off:], s+"\x00")
	return 0x1000 + uint64(off)
}

func TestCalls(t *testing.T) {
	m := make(memory, 8192)
	path := m.put(0, "/etc/passwd")
	data := m.put(100, "line\n\t\"x\"\x01"+"7 and a good deal more of it")
	sa := m.put(200, "\x02\x00\x1f\x90\x7f\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")
	un := m.put(300, "\x01\x00\x00abstract")
	status := m.put(400, "\x00\x03\x00\x00")
	ts := m.put(500, "\x05\x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00")
	le.PutUint64(m[600:], 1<<(signal.SIGCHLD-1)|1<<(signal.SIGINT-1))
	set := uint64(0x1000 + 600)
	le.PutUint32(m[700+statMode:], linux.S_IFREG|0o644)
	le.PutUint64(m[700+statSize:], 123)
	stat := uint64(0x1000 + 700)
	le.PutUint64(m[1000:], path)
	argv := uint64(0x1000 + 1000)
	le.PutUint64(m[1100:], data)
	le.PutUint64(m[1108:], 5)
	iov := uint64(0x1000 + 1100)

	at := func(n int32) uint64 { return uint64(uint32(n)) }
	for _, c := range []struct {
		nr   uint64
		args [6]uint64
		ret  uint64
		err  error
		want string
	}{
		{linux.SYS_OPENAT, [6]uint64{at(linux.AT_FDCWD), path, linux.O_RDONLY | linux.O_CLOEXEC}, 3, nil, `openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3`},
		{linux.SYS_OPENAT, [6]uint64{5, path, linux.O_WRONLY | linux.O_CREAT | linux.O_TRUNC, 0o644}, 3, nil, `openat(5, "/etc/passwd", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 3`},
		{linux.SYS_OPENAT, [6]uint64{at(linux.AT_FDCWD), 1}, 0, linux.EFAULT, `openat(AT_FDCWD, 0x1, O_RDONLY) = -1 EFAULT (Bad address)`},
		{linux.SYS_WRITE, [6]uint64{1, data, 38}, 38, nil, `write(1, "line\n\t\"x\"\0017 and a good deal more"..., 38) = 38`},
		{linux.SYS_READ, [6]uint64{0, data, 100}, 4, nil, `read(0, "line", 100) = 4`},
		{linux.SYS_READ, [6]uint64{0, data, 100}, 0, linux.EAGAIN, `read(0, 0x1064, 100) = -1 EAGAIN (Resource temporarily unavailable)`},
		{linux.SYS_WRITEV, [6]uint64{1, iov, 1}, 5, nil, `writev(1, [{iov_base="line\n", iov_len=5}], 1) = 5`},
		{linux.SYS_NEWFSTATAT, [6]uint64{3, path, stat, linux.AT_EMPTY_PATH}, 0, nil, `newfstatat(3, "/etc/passwd", {st_mode=S_IFREG|0644, st_size=123, ...}, AT_EMPTY_PATH) = 0`},
		{linux.SYS_MMAP, [6]uint64{0, 4096, linux.PROT_READ | linux.PROT_WRITE, linux.MAP_PRIVATE | linux.MAP_ANONYMOUS, at(-1), 0}, 0x7f0000000000, nil, `mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000`},
		{linux.SYS_CONNECT, [6]uint64{3, sa, 16}, 0, linux.ECONNREFUSED, `connect(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("127.0.0.1")}, 16) = -1 ECONNREFUSED (Connection refused)`},
		{linux.SYS_BIND, [6]uint64{3, un, 11}, 0, nil, `bind(3, {sa_family=AF_UNIX, sun_path=@"abstract"}, 11) = 0`},
		{linux.SYS_WAIT4, [6]uint64{at(-1), status, 0, 0}, 7, nil, `wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 7`},
		{linux.SYS_NANOSLEEP, [6]uint64{ts, 0}, 0, linux.ERESTART_RESTARTBLOCK, `nanosleep({tv_sec=5, tv_nsec=7}, NULL) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)`},
		{linux.SYS_RT_SIGPROCMASK, [6]uint64{linux.SIG_BLOCK, set, 0, 8}, 0, nil, `rt_sigprocmask(SIG_BLOCK, [INT CHLD], NULL, 8) = 0`},
		{linux.SYS_EXECVE, [6]uint64{path, argv, argv}, 0, nil, `execve("/etc/passwd", ["/etc/passwd"], 0x13e8 /* 1 var */) = 0`},
		{linux.SYS_KILL, [6]uint64{1, signal.SIGTERM}, 0, nil, `kill(1, SIGTERM) = 0`},
		{linux.SYS_SOCKET, [6]uint64{linux.AF_INET, linux.SOCK_STREAM | linux.SOCK_CLOEXEC, 0}, 4, nil, `socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 4`},
		{linux.SYS_FCNTL, [6]uint64{3, linux.F_GETFL, 9}, 2, nil, `fcntl(3, F_GETFL) = 2`},
		{linux.SYS_FCNTL, [6]uint64{3, linux.F_SETFD, 1}, 0, nil, `fcntl(3, F_SETFD, FD_CLOEXEC) = 0`},
		{linux.SYS_FUTEX, [6]uint64{0x10, 128, 2, 0}, 0, nil, `futex(0x10, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0) = 0`},
		{linux.SYS_UMASK, [6]uint64{0o22}, 0o77, nil, `umask(022) = 077`},
	} {
		sig := lookup(c.nr)
		p := printer{mem: m, sig: sig, args: &c.args}
		call := &pending{sig: sig, vals: c.args}
		for i := range int(sig.n) {
			s := ""
			if !sig.args[i].kind.isOut() {
				s = p.arg(i)
			}
			call.args = append(call.args, s)
		}
		p.ret, p.done = c.ret, c.err == nil
		got := New(nil).call(&p, call) + " = "
		if e, ok := c.err.(linux.Errno); ok {
			got += errorText(e)
		} else {
			got += p.result()
		}
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

// No call, whatever its arguments, makes the printer fail.
func TestHostileArguments(t *testing.T) {
	m := make(memory, 4096)
	for i := range m {
		m[i] = 0xff
	}
	for i := range signatures {
		sig := &signatures[i]
		for _, v := range []uint64{0, 1, 0x1000, 0x1ff0, 1 << 63, ^uint64(0)} {
			args := [6]uint64{v, v, v, v, v, v}
			p := printer{mem: m, sig: sig, args: &args, ret: v, done: true}
			for a := range int(sig.n) {
				if s := p.arg(a); s == "" || len(s) > 1<<16 {
					t.Errorf("%s: argument %d of %#x is %d bytes", sig.name, a, v, len(s))
				}
			}
		}
	}
}

func TestSignals(t *testing.T) {
	for want, i := range map[string]signal.Info{
		"{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=2, si_uid=0, si_status=3}":       {Signo: signal.SIGCHLD, Code: signal.CldExited, PID: 2, Status: 3},
		"{si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=2, si_uid=0, si_status=SIGTERM}": {Signo: signal.SIGCHLD, Code: signal.CldKilled, PID: 2, Status: signal.SIGTERM},
		"{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL}":                         {Signo: signal.SIGSEGV, Code: signal.SegvMapErr},
		"{si_signo=SIGTERM, si_code=SI_USER, si_pid=9, si_uid=1}":                       {Signo: signal.SIGTERM, PID: 9, UID: 1},
	} {
		if got := siginfo(&i); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := signalSet(^uint64(0)); got != "~[]" {
		t.Error(got)
	}
	if got := waitStatus(0x8b); !strings.Contains(got, "SIGSEGV && WCOREDUMP") {
		t.Error(got)
	}
}
