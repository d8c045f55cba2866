package host

import (
	"bytes"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

var loadavg = sync.OnceValue(func() int {
	fd, err := unix.Open("/proc/loadavg", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
})

// Runnable returns how many tasks of the host run or want to, the caller included
// (nr_running in proc_loadavg(5)). It reports false where the host does not tell.
func Runnable() (int, bool) {
	fd := loadavg()
	if fd < 0 {
		return 0, false
	}
	var b [64]byte
	n, err := unix.Pread(fd, b[:], 0)
	if err != nil {
		return 0, false
	}
	return parseRunnable(b[:n])
}

// parseRunnable reads the number before the slash: "0.20 0.18 0.12 1/80 11206".
func parseRunnable(b []byte) (int, bool) {
	head, _, ok := bytes.Cut(b, []byte("/"))
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(string(head[bytes.LastIndexByte(head, ' ')+1:]))
	return n, err == nil && n > 0
}
