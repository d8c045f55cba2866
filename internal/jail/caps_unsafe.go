package jail

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// setCaps drops every capability but those of keep, on all threads. What is
// not permitted now stays so.
func setCaps(keep uint64) error {
	var now, data [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&hdr, &now[0]); err != nil {
		return err
	}
	for i := range data {
		left := now[i].Permitted & uint32(keep>>(32*i))
		data[i] = unix.CapUserData{Effective: left, Permitted: left}
	}
	// SAFETY: capset(2) only reads both (the header is written only if its
	// version is unknown), and AllThreadsSyscall keeps them alive, on the
	// heap, until every thread has made the call.
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data)), 0); e != 0 {
		return linux.Errno(e)
	}
	return nil
}
