package host

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// FileID returns the device and inode number of a descriptor's file.
func FileID(fd int) (dev, ino uint64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, 0, err
	}
	return st.Dev, st.Ino, nil
}

// MapShared maps the first n bytes of a file for reading and writing.
func MapShared(fd, n int) ([]byte, error) {
	b, err := unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return b, errno(err)
}

// Unmap undoes MapShared.
func Unmap(b []byte) { _ = unix.Munmap(b) }

// MakeDev returns a device number from its parts.
func MakeDev(major, minor uint32) uint64 { return unix.Mkdev(major, minor) }

// ReadProc reads a file of the host's /proc/PID of a guest process.
func ReadProc(pid int, name string) ([]byte, error) {
	return os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + name)
}
