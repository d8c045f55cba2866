package host

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// CloseInherited closes the descriptors above the standard streams that came
// with the start of this process: whatever its parent forgot to close would
// stay within reach of a supervisor that was taken over, past its jail. They
// are known by being without close-on-exec, which everything opened here and by
// the Go runtime has. It must run before code that makes others.
func CloseInherited() error {
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return errno(err)
	}
	defer unix.Close(dir)
	var fds []int
	buf := make([]byte, 4096)
	for {
		n, err := unix.ReadDirent(dir, buf)
		if err != nil {
			return errno(err)
		}
		if n == 0 {
			break
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if fd, err := strconv.Atoi(name); err == nil && fd > 2 {
				fds = append(fds, fd)
			}
		}
	}
	for _, fd := range fds {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
	return nil
}
