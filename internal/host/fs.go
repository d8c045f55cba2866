package host

import (
	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// Stat is what statx(2) tells of a file. Major and minor numbers are apart, as
// there.
type Stat struct {
	Ino                uint64
	Mode, Nlink        uint32
	UID, GID           uint32
	DevMajor, DevMinor uint32
	RdevMajor          uint32
	RdevMinor          uint32
	Size, Blocks       int64
	Blksize            uint32
	Atime, Mtime       linux.Timespec
	Ctime, Btime       linux.Timespec
}

// Dev identifies the file system within the host.
func (s *Stat) Dev() uint64 { return uint64(s.DevMajor)<<32 | uint64(s.DevMinor) }

// StatAt tells of name in the directory dirfd without following a symbolic
// link; of dirfd itself if name is empty.
func StatAt(dirfd int, name string) (Stat, error) {
	var x unix.Statx_t
	flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	if err := statx(dirfd, name, flags, &x); err != nil {
		return Stat{}, err
	}
	return Stat{
		Ino: x.Ino, Mode: uint32(x.Mode), Nlink: x.Nlink, UID: x.Uid, GID: x.Gid,
		DevMajor: x.Dev_major, DevMinor: x.Dev_minor, RdevMajor: x.Rdev_major, RdevMinor: x.Rdev_minor,
		Size: int64(x.Size), Blocks: int64(x.Blocks), Blksize: x.Blksize,
		Atime: statxTime(x.Atime), Mtime: statxTime(x.Mtime), Ctime: statxTime(x.Ctime), Btime: statxTime(x.Btime),
	}, nil
}

func statxTime(t unix.StatxTimestamp) linux.Timespec {
	return linux.Timespec{Sec: t.Sec, Nsec: int64(t.Nsec)}
}

// OpenBeneath opens path relative to dirfd. No symbolic link is followed, magic
// or not, and the result lies beneath dirfd, by the host kernel's word.
// O_CLOEXEC is added. An empty path opens dirfd's object anew.
func OpenBeneath(dirfd int, path string, flags int, mode uint32) (int, error) {
	if path == "" {
		path = "."
	}
	how := unix.OpenHow{
		Flags:   uint64(uint32(flags) | unix.O_CLOEXEC | unix.O_NOFOLLOW),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	if flags&(unix.O_CREAT|unix.O_TMPFILE&^unix.O_DIRECTORY) != 0 {
		how.Mode = uint64(mode)
	}
	return openat2(dirfd, path, &how)
}

// Close is close(2). An error of it tells nothing that a caller could use.
func Close(fd int) { _ = unix.Close(fd) }

// Dup duplicates fd with close-on-exec.
func Dup(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	return n, errno(err)
}

// FileFlags is fcntl(F_GETFL).
func FileFlags(fd int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return n, errno(err)
}

// Readlink reads the symbolic link name in dirfd.
func Readlink(dirfd int, name string) (string, error) {
	var small [256]byte
	buf := small[:]
	for {
		n, err := unix.Readlinkat(dirfd, name, buf)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return "", errno(err)
		case n < len(buf):
			return string(buf[:n]), nil
		default:
			buf = make([]byte, 2*len(buf))
		}
	}
}

// Dirent is one entry of a directory. Name is valid during the callback only.
type Dirent struct {
	Ino  uint64
	Off  int64
	Type uint8
	Name []byte
}

// Getdents reads entries from fd's position into buf and hands them to emit,
// "." and ".." included. It returns whether there were any.
func Getdents(fd int, buf []byte, emit func(*Dirent)) (bool, error) {
	var n int
	var err error
	for {
		n, err = unix.Getdents(fd, buf)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return false, errno(err)
	}
	var d Dirent // one for all calls of emit, which may keep none
	for b := buf[:n]; len(b) >= 19; {
		l := int(get16(b[16:]))
		if l < 20 || l > len(b) {
			return true, linux.EIO
		}
		name := b[19:l]
		for i, c := range name {
			if c == 0 {
				name = name[:i]
				break
			}
		}
		d = Dirent{Ino: get64(b), Off: int64(get64(b[8:])), Type: b[18], Name: name}
		emit(&d)
		b = b[l:]
	}
	return n > 0, nil
}

func get64(b []byte) uint64 { return uint64(get32(b)) | uint64(get32(b[4:]))<<32 }

// Seek is lseek(2).
func Seek(fd int, off int64, whence int) (int64, error) {
	n, err := unix.Seek(fd, off, whence)
	return n, errno(err)
}

// Pread reads from offset off once; it may be short.
func Pread(fd int, b []byte, off int64) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, err := unix.Pread(fd, b, off)
		if err != unix.EINTR {
			return max(n, 0), errno(err)
		}
	}
}

// Pwrite writes at offset off once; it may be short.
func Pwrite(fd int, b []byte, off int64) (int, error) {
	for {
		n, err := unix.Pwrite(fd, b, off)
		if err != unix.EINTR {
			return max(n, 0), errno(err)
		}
	}
}

// Read is read(2), Write write(2).
func Read(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		if err != unix.EINTR {
			return max(n, 0), errno(err)
		}
	}
}

// Write writes at fd's own position.
func Write(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Write(fd, b)
		if err != unix.EINTR {
			return max(n, 0), errno(err)
		}
	}
}

// WriteAppend writes at the end of the file, atomically.
func WriteAppend(fd int, b []byte) (int, error) {
	v := [][]byte{b}
	for {
		n, err := unix.Pwritev2(fd, v, 0, unix.RWF_APPEND)
		if err != unix.EINTR {
			return max(n, 0), errno(err)
		}
	}
}

// ReadNowait reads at fd's position without waiting even if fd is in blocking
// mode: EAGAIN if nothing is there, EOPNOTSUPP if the file cannot do that.
func ReadNowait(fd int, b []byte) (int, error) {
	v := [][]byte{b}
	for {
		n, err := unix.Preadv2(fd, v, -1, unix.RWF_NOWAIT)
		if err != unix.EINTR {
			return max(n, 0), errno(err)
		}
	}
}

// WriteNowait writes at fd's position without waiting, likewise.
func WriteNowait(fd int, b []byte) (int, error) {
	v := [][]byte{b}
	for {
		n, err := unix.Pwritev2(fd, v, -1, unix.RWF_NOWAIT)
		if err != unix.EINTR {
			return max(n, 0), errno(err)
		}
	}
}

// MemfdCreate makes an anonymous file that cannot be executed by execve.
func MemfdCreate(name string) (int, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	return fd, errno(err)
}

// SealWrite forbids writing to a file of MemfdCreate for good; EBUSY if it is
// mapped shared and writable.
func SealWrite(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE)
	return errno(err)
}

// Truncate is ftruncate(2).
func Truncate(fd int, size int64) error {
	for {
		err := unix.Ftruncate(fd, size)
		if err != unix.EINTR {
			return errno(err)
		}
	}
}

// Fallocate is fallocate(2).
func Fallocate(fd int, mode uint32, off, length int64) error {
	for {
		err := unix.Fallocate(fd, mode, off, length)
		if err != unix.EINTR {
			return errno(err)
		}
	}
}

// CopyRange copies n bytes between files within the kernel, by sendfile(2) as
// copy_file_range(2) refuses to cross file systems. dst's position is moved.
// It returns what could be copied: less than n only at src's end.
func CopyRange(dst int, dstOff int64, src int, srcOff, n int64) (int64, error) {
	if _, err := unix.Seek(dst, dstOff, unix.SEEK_SET); err != nil {
		return 0, errno(err)
	}
	done := int64(0)
	for done < n {
		k, err := unix.Sendfile(dst, src, &srcOff, int(min(n-done, 1<<30)))
		switch {
		case err == unix.EINTR:
		case err == unix.EINVAL || err == unix.ENOSYS:
			return copySlow(dst, dstOff+done, src, srcOff, n-done, done)
		case err != nil:
			return done, errno(err)
		case k == 0:
			return done, nil
		default:
			done += int64(k)
		}
	}
	return done, nil
}

// copySlow serves files that cannot be spliced from.
func copySlow(dst int, dstOff int64, src int, srcOff, n, done int64) (int64, error) {
	buf := make([]byte, min(n, 256<<10))
	for n > 0 {
		k, err := Pread(src, buf[:min(n, int64(len(buf)))], srcOff)
		if err != nil || k == 0 {
			return done, err
		}
		for b := buf[:k]; len(b) > 0; {
			w, err := Pwrite(dst, b, dstOff)
			if err != nil {
				return done, err
			}
			b, dstOff, done = b[w:], dstOff+int64(w), done+int64(w)
		}
		srcOff, n = srcOff+int64(k), n-int64(k)
	}
	return done, nil
}

// Sync is fsync(2), or fdatasync(2) if dataOnly.
func Sync(fd int, dataOnly bool) error {
	for {
		err := unix.Fsync
		if dataOnly {
			err = unix.Fdatasync
		}
		if e := err(fd); e != unix.EINTR {
			return errno(e)
		}
	}
}

// StatFS is what fstatfs(2) tells.
type StatFS struct {
	Type, Bsize, NameLen, Flags int64
	Blocks, Bfree, Bavail       uint64
	Files, Ffree                uint64
}

// Fstatfs tells of the file system of fd.
func Fstatfs(fd int) (StatFS, error) {
	var s unix.Statfs_t
	for {
		err := unix.Fstatfs(fd, &s)
		if err == unix.EINTR {
			continue
		}
		return StatFS{
			Type: s.Type, Bsize: s.Bsize, NameLen: s.Namelen, Flags: s.Flags,
			Blocks: s.Blocks, Bfree: s.Bfree, Bavail: s.Bavail, Files: s.Files, Ffree: s.Ffree,
		}, errno(err)
	}
}

// TotalRAM returns the host's memory in bytes.
func TotalRAM() int64 {
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) != nil {
		return 1 << 30
	}
	return int64(uint64(s.Totalram) * uint64(s.Unit))
}

// Geteuid returns the supervisor's effective user id.
func Geteuid() int { return unix.Geteuid() }
