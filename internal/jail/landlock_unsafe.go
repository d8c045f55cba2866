package jail

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// landlockVersion returns the host's version of Landlock's ABI, 0 for none.
func landlockVersion() int {
	v, _, e := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e != 0 {
		return 0
	}
	return int(v)
}

// landlockErrata returns the host's bits of fixed errata.
func landlockErrata() uint64 {
	v, _, e := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_ERRATA)
	if e != 0 {
		return 0
	}
	return uint64(v)
}

func landlockCreate(r *ruleset, size uintptr) (int, error) {
	// SAFETY: ruleset has the layout of struct landlock_ruleset_attr, of which
	// size bytes are read.
	fd, _, e := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(r)), size, 0)
	if e != 0 {
		return -1, linux.Errno(e)
	}
	return int(fd), nil
}

func landlockAllow(rs, fd int, rights uint64) error {
	// struct landlock_path_beneath_attr is packed: 12 bytes.
	var attr [12]byte
	*(*uint64)(unsafe.Pointer(&attr[0])) = rights
	*(*int32)(unsafe.Pointer(&attr[8])) = int32(fd)
	// SAFETY: attr has the bytes of the structure and outlives the call.
	_, _, e := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rs), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if e != 0 {
		return linux.Errno(e)
	}
	return nil
}

func landlockRestrict(fd int, flags uintptr) error {
	if _, _, e := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(fd), flags, 0); e != 0 {
		return linux.Errno(e)
	}
	return nil
}
