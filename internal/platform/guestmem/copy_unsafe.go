package guestmem

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
)

// Copy reads (unix.SYS_PROCESS_VM_READV) or writes (SYS_PROCESS_VM_WRITEV)
// the memory of process tid, once, and returns how much was moved.
func Copy(nr uintptr, tid int, addr uint64, b []byte) (int, linux.Errno) {
	n, e := copyHere(nr, tid, addr, b)
	if e == linux.EPERM {
		return copyElsewhere(nr, tid, addr, b)
	}
	return n, e
}

func copyElsewhere(nr uintptr, tid int, addr uint64, b []byte) (n int, e linux.Errno) {
	_ = host.Permitted(func() error {
		n, e = copyHere(nr, tid, addr, b)
		if e == linux.EPERM {
			return unix.EPERM
		}
		return nil
	})
	return n, e
}

func copyHere(nr uintptr, tid int, addr uint64, b []byte) (int, linux.Errno) {
	local := unix.Iovec{Base: &b[0]}
	local.SetLen(len(b))
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(b)}
	// SAFETY: local describes b, which is alive; remote is an address in the
	// guest that the kernel checks.
	n, _, e := unix.RawSyscall6(nr, uintptr(tid), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	if e != 0 {
		return 0, linux.Errno(e)
	}
	return int(n), 0
}
