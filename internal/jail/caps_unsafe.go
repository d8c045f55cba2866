package jail

import (
	"unsafe"

	"golang.org/x/sys/unix"
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
	// SAFETY: both live on this frame until the call, which every thread has
	// made by then, returns; capset(2) only reads them (the header is written
	// only if its version is unknown).
	return allThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data)), 0)
}
