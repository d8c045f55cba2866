package host

import (
	"bytes"
	"strconv"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// The calls below change directories. Names are single components, so that
// nothing but dirfd decides where they act.

// Mkdirat is mkdirat(2).
func Mkdirat(dirfd int, name string, mode uint32) error {
	return errno(unix.Mkdirat(dirfd, name, mode))
}

// Mknodat makes a FIFO, socket or regular file.
func Mknodat(dirfd int, name string, mode uint32) error {
	return errno(unix.Mknodat(dirfd, name, mode, 0))
}

// Symlinkat is symlinkat(2).
func Symlinkat(target string, dirfd int, name string) error {
	return errno(unix.Symlinkat(target, dirfd, name))
}

// Linkat links one name to another, without following.
func Linkat(olddir int, oldname string, newdir int, newname string) error {
	return errno(unix.Linkat(olddir, oldname, newdir, newname, 0))
}

// LinkFD gives fd a name. Without CAP_DAC_READ_SEARCH the way is
// /proc/self/fd.
func LinkFD(fd, newdir int, newname string) error {
	err := unix.Linkat(fd, "", newdir, newname, unix.AT_EMPTY_PATH)
	if err == unix.ENOENT || err == unix.EPERM {
		err = unix.Linkat(unix.AT_FDCWD, fdPath(fd), newdir, newname, unix.AT_SYMLINK_FOLLOW)
	}
	return errno(err)
}

// Unlinkat removes a file, or a directory if dir.
func Unlinkat(dirfd int, name string, dir bool) error {
	flags := 0
	if dir {
		flags = unix.AT_REMOVEDIR
	}
	return errno(unix.Unlinkat(dirfd, name, flags))
}

// Renameat2 is renameat2(2).
func Renameat2(olddir int, oldname string, newdir int, newname string, flags uint32) error {
	return errno(unix.Renameat2(olddir, oldname, newdir, newname, uint(flags)))
}

// ChownFD changes the owner of what fd, which may be an O_PATH descriptor,
// refers to; -1 leaves an id.
func ChownFD(fd, uid, gid int) error {
	return errno(unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW))
}

// ChmodFD changes the mode of what fd, which may be an O_PATH descriptor but
// not of a symbolic link, refers to.
func ChmodFD(fd int, mode uint32) error {
	err := unix.Fchmod(fd, mode)
	if err == unix.EBADF {
		// fchmodat2 came with Linux 6.6.
		err = unix.Fchmodat(fd, "", mode, unix.AT_EMPTY_PATH)
		if err == unix.ENOSYS || err == unix.EOPNOTSUPP || err == unix.EINVAL {
			err = unix.Chmod(fdPath(fd), mode)
		}
	}
	return errno(err)
}

// UtimeNow and UtimeOmit are the special nanoseconds of UtimesAt.
const (
	UtimeNow  = unix.UTIME_NOW
	UtimeOmit = unix.UTIME_OMIT
)

// UtimesAt sets the times of name in dirfd, or of dirfd itself if name is
// empty, without following.
func UtimesAt(dirfd int, name string, atime, mtime linux.Timespec) error {
	ts := []unix.Timespec{{Sec: atime.Sec, Nsec: atime.Nsec}, {Sec: mtime.Sec, Nsec: mtime.Nsec}}
	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		flags = unix.AT_EMPTY_PATH
	}
	return errno(unix.UtimesNanoAt(dirfd, name, ts, flags))
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// Reopen opens the object of fd anew with other flags, by way of
// /proc/self/fd.
func Reopen(fd, flags int) (int, error) {
	for {
		n, err := unix.Open(fdPath(fd), flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return n, errno(err)
		}
	}
}

// Getxattr reads one extended attribute of fd, which is not O_PATH.
func Getxattr(fd int, name string) ([]byte, error) {
	return sized(func(b []byte) (int, error) { return unix.Fgetxattr(fd, name, b) })
}

// Listxattr lists the names of the extended attributes of fd.
func Listxattr(fd int) ([]string, error) {
	b, err := sized(func(b []byte) (int, error) { return unix.Flistxattr(fd, b) })
	if err != nil {
		return nil, err
	}
	var names []string
	for len(b) > 0 {
		name, rest, _ := bytes.Cut(b, []byte{0})
		names, b = append(names, string(name)), rest
	}
	return names, nil
}

// Setxattr sets one.
func Setxattr(fd int, name string, value []byte, flags uint32) error {
	return errno(unix.Fsetxattr(fd, name, value, int(flags)))
}

// Removexattr removes one.
func Removexattr(fd int, name string) error { return errno(unix.Fremovexattr(fd, name)) }

// sized calls get with a larger buffer until its result fits.
func sized(get func([]byte) (int, error)) ([]byte, error) {
	var small [256]byte
	buf := small[:]
	for {
		n, err := get(buf)
		switch {
		case err == unix.ERANGE && len(buf) < 1<<17:
			buf = make([]byte, 8*len(buf))
		case err != nil:
			return nil, errno(err)
		default:
			return append([]byte(nil), buf[:n]...), nil
		}
	}
}
