package host

import (
	"slices"
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
	// Package os would ask whether the file can be polled, and more, which
	// costs several times the reading.
	var fd int
	err := Permitted(func() (err error) {
		fd, err = unix.Open("/proc/"+strconv.Itoa(pid)+"/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, errno(err)
	}
	defer unix.Close(fd)
	b := make([]byte, 0, 512)
	for {
		n, err := unix.Read(fd, b[len(b):cap(b)])
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return b, errno(err)
		}
		if b = b[:len(b)+n]; len(b) == cap(b) {
			b = slices.Grow(b, len(b))
		}
	}
}
