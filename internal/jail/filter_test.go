package jail

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// run evaluates the filter for one call. The kernel reads words of the host's
// byte order, the VM big-endian ones.
func run(t *testing.T, prog []unix.SockFilter, arch, nr uint32, args ...uint64) uint32 {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(prog))
	for i, p := range prog {
		raw[i] = bpf.RawInstruction{Op: p.Code, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	ins, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("filter has unknown instructions")
	}
	// Returns are cut to the packet's length by the VM's type, not its value.
	vm, err := bpf.NewVM(ins)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[offNr:], nr)
	binary.BigEndian.PutUint32(data[offArch:], arch)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[offArgs+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[offArgs+8*i+4:], uint32(a>>32))
	}
	n, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

func TestFilter(t *testing.T) {
	closed := build(rules(&Config{Spawn: 7}), Kill)
	open := build(rules(&Config{Spawn: 7, HostNetwork: true, Write: []int{3}}), Kill)
	if len(closed) > 4096 {
		t.Fatalf("filter has %d instructions, more than BPF_MAXINSNS", len(closed))
	}
	cases := []struct {
		name         string
		nr           uint32
		args         []uint64
		closed, open bool
	}{
		{"read", unix.SYS_READ, nil, true, true},
		{"exit_group", unix.SYS_EXIT_GROUP, nil, true, true},
		{"process_vm_readv", unix.SYS_PROCESS_VM_READV, nil, true, true},
		{"execve", unix.SYS_EXECVE, nil, false, false},
		{"execveat stub", unix.SYS_EXECVEAT, []uint64{7, 0, 0, 0, unix.AT_EMPTY_PATH}, true, true},
		{"execveat other", unix.SYS_EXECVEAT, []uint64{8, 0, 0, 0, unix.AT_EMPTY_PATH}, false, false},
		{"execveat path", unix.SYS_EXECVEAT, []uint64{7, 0, 0, 0, 0}, false, false},
		{"clone thread", unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM}, true, true},
		{"clone vfork", unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_VFORK | 17}, true, true},
		{"clone newuser", unix.SYS_CLONE, []uint64{unix.CLONE_NEWUSER | 17}, false, false},
		{"clone3", unix.SYS_CLONE3, nil, false, false},
		{"unshare", unix.SYS_UNSHARE, nil, false, false},
		{"mount", unix.SYS_MOUNT, nil, false, false},
		{"bpf", unix.SYS_BPF, nil, false, false},
		{"openat read", unix.SYS_OPENAT, []uint64{5, 0, unix.O_RDONLY | unix.O_CLOEXEC}, true, true},
		{"openat write", unix.SYS_OPENAT, []uint64{5, 0, unix.O_RDWR | unix.O_CLOEXEC}, false, true},
		{"openat create", unix.SYS_OPENAT, []uint64{5, 0, unix.O_CREAT}, false, true},
		{"openat tmpfile", unix.SYS_OPENAT, []uint64{5, 0, unix.O_TMPFILE}, false, true},
		{"mknod device", unix.SYS_MKNODAT, []uint64{5, 0, unix.S_IFCHR | 0o600}, false, false},
		{"mknod fifo", unix.SYS_MKNODAT, []uint64{5, 0, unix.S_IFIFO | 0o600}, false, true},
		{"unlinkat", unix.SYS_UNLINKAT, nil, false, true},
		{"socket inet", unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_STREAM | unix.SOCK_NONBLOCK}, false, true},
		{"socket raw", unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_RAW}, false, false},
		{"socket packet", unix.SYS_SOCKET, []uint64{unix.AF_PACKET, unix.SOCK_DGRAM}, false, false},
		{"socket unix", unix.SYS_SOCKET, []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, false, false},
		{"netlink route", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, false, true},
		{"netlink audit", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT}, false, false},
		{"TIOCSTI", unix.SYS_IOCTL, []uint64{0, unix.TIOCSTI}, false, false},
		{"TCGETS", unix.SYS_IOCTL, []uint64{0, unix.TCGETS}, true, true},
		{"prctl seccomp", unix.SYS_PRCTL, []uint64{unix.PR_SET_SECCOMP}, false, false},
		{"prlimit of others", unix.SYS_PRLIMIT64, []uint64{42}, false, false},
		{"x32 read", 0x40000000, nil, false, false},
		{"beyond the last", 100000, nil, false, false},
	}
	for _, c := range cases {
		for _, f := range []struct {
			name string
			prog []unix.SockFilter
			want bool
		}{{"closed", closed, c.closed}, {"open", open, c.open}} {
			if got := run(t, f.prog, auditArch, c.nr, c.args...); (got == unix.SECCOMP_RET_ALLOW) != f.want || !f.want && got != uint32(Kill) {
				t.Errorf("%s, %s filter: %#x, want allowed: %v", c.name, f.name, got, f.want)
			}
		}
	}
	const auditArchI386 = 0x40000003
	if got := run(t, open, auditArchI386, unix.SYS_READ); got != uint32(Kill) {
		t.Errorf("call by the 32-bit ABI: %#x", got)
	}
	// Every rule is reachable by the search.
	for _, r := range rules(&Config{}) {
		if len(r.any) == 0 {
			if got := run(t, closed, auditArch, r.nr); got != unix.SECCOMP_RET_ALLOW {
				t.Errorf("call %d: %#x", r.nr, got)
			}
		}
	}
}

func TestRulesetFor(t *testing.T) {
	if r := rulesetFor(1, 0, false); r.fs != 1<<13-1 || r.net != 0 || r.scoped != 0 {
		t.Errorf("ABI 1: %+v", r)
	}
	if r := rulesetFor(5, 0, true); r.fs != 1<<16-1 || r.net != 0 {
		t.Errorf("ABI 5: %+v", r)
	}
	if r := rulesetFor(6, 0, false); r.scoped != unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET || r.net != 3 {
		t.Errorf("ABI 6: %+v", r)
	}
	if r := rulesetFor(7, 0, false); r.scoped != 3 {
		t.Errorf("ABI 7: %+v", r)
	}
}
