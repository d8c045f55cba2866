package trap

import (
	"cmp"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of seccomp_unotify(2).
const (
	notifRecv     = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	notifSend     = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	notifSetFlags = 0x40082104 // SECCOMP_IOCTL_NOTIF_SET_FLAGS, since 6.6

	// SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP: who is woken up goes on where the
	// waker runs, which is about to sleep.
	notifSync = 1
)

// notification is struct seccomp_notif.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	_     [8]uint64 // struct seccomp_data
}

// answer is struct seccomp_notif_resp.
type answer struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// receive sleeps until a thread rings, and returns its id and that of the ring.
// The runtime is told that it may take long.
func (b *bell) receive() (tid int, id uint64, err syscall.Errno) {
	if !tellsOfEnd() {
		if gone, err := b.poll(); gone || err != 0 {
			return 0, 0, cmp.Or(err, unix.ENOENT)
		}
	}
	var n notification
	// SAFETY: n is a zeroed struct seccomp_notif, which the host fills.
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(b.fd.Load()), notifRecv, uintptr(unsafe.Pointer(&n)))
	return int(n.pid), n.id, e
}

// answer lets who rang go on. Who is gone, or was interrupted, needs none.
func (b *bell) answer(id uint64) {
	a := answer{id: id}
	// SAFETY: a is a struct seccomp_notif_resp, which the host reads.
	_, _, _ = unix.RawSyscall(unix.SYS_IOCTL, uintptr(b.fd.Load()), notifSend, uintptr(unsafe.Pointer(&a)))
}

// sync has both sides of a hand-over on one CPU, where the host can.
func (b *bell) sync() {
	_, _, _ = unix.RawSyscall(unix.SYS_IOCTL, uintptr(b.fd.Load()), notifSetFlags, notifSync)
}

// tellsOfEnd reports whether the host ends a receive when nobody is left that could
// ring, as it does since 6.11.
var tellsOfEnd = sync.OnceValue(func() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	major, rest := number(u.Release[:])
	minor, _ := number(rest)
	return major > 6 || major == 6 && minor >= 11
})

// number reads a decimal number, and returns what is behind it and a character more.
func number(b []byte) (n int, rest []byte) {
	for i, c := range b {
		if c < '0' || c > '9' {
			return n, b[i+1:]
		}
		n = 10*n + int(c-'0')
	}
	return n, nil
}

// poll waits until somebody rings, or nobody is left who could.
func (b *bell) poll() (gone bool, err syscall.Errno) {
	p := unix.PollFd{Fd: b.fd.Load(), Events: unix.POLLIN}
	// SAFETY: p is one struct pollfd, which the host reads and writes.
	_, _, e := unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, 0, 0, 0, 0)
	return p.Revents&unix.POLLIN == 0 && p.Revents&unix.POLLHUP != 0, e
}
