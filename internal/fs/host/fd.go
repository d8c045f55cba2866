package host

import (
	"strconv"
	"sync"

	"sentinel/internal/abi/linux"
	sys "sentinel/internal/host"
	"sentinel/internal/hostpoll"
	"sentinel/internal/signal"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// NewFileFromFD returns a description of a descriptor that the sandbox was
// started with, such as its standard output, and takes it over. Regular files,
// pipes, sockets and devices other than terminals will do. name is what
// /proc/PID/fd shows; if empty, what Linux would show for a pipe or socket.
func NewFileFromFD(poll *hostpoll.Poller, fd int, name string) (*vfs.File, error) {
	s, err := sys.StatAt(fd, "")
	if err != nil {
		return nil, err
	}
	mode, err := sys.FileFlags(fd)
	if err != nil {
		return nil, err
	}
	h := &handle{poll: poll, fd: fd, typ: s.Mode & linux.S_IFMT, mode: uint32(mode), name: name}
	switch h.typ {
	case linux.S_IFDIR:
		return nil, linux.EISDIR
	case linux.S_IFIFO:
		h.name = orName(name, "pipe:[", s.Ino)
	case linux.S_IFSOCK:
		h.name = orName(name, "socket:[", s.Ino)
	}
	ops, err := h.open(uint32(mode), true)
	if err != nil {
		return nil, err
	}
	f := vfs.NewFile(ops, vfs.Path{}, h, uint32(mode))
	f.Name = h.name
	if h.typ == linux.S_IFREG {
		if pos, err := sys.Seek(fd, 0, linux.SEEK_CUR); err == nil {
			f.SetPos(pos)
			// Known from here on, not from the first use: others may have
			// moved it by then, such as stdout by writes to stderr.
			if sh, ok := ops.(*shared); ok {
				sh.pos, sh.seen = pos, true
			}
		}
	}
	return f, nil
}

func orName(name, kind string, ino uint64) string {
	if name != "" {
		return name
	}
	return kind + strconv.FormatUint(ino, 10) + "]"
}

// handle is the inode of a descriptor of the caller. All descriptions of it
// share the descriptor, which is closed with the last.
type handle struct {
	poll *hostpoll.Poller
	fd   int
	typ  uint32
	mode uint32 // flags of the host's description
	name string

	mu    sync.Mutex
	opens int
	gone  bool
}

// callerFS is the file system of what no mount of the sandbox holds.
type callerFS struct{}

func (callerFS) Name() string     { return "pipefs" }
func (callerFS) Root() vfs.Inode  { return nil }
func (callerFS) DevMinor() uint32 { return 14 }
func (callerFS) StatFS() (vfs.StatFS, error) {
	return vfs.StatFS{Type: linux.PIPEFS_MAGIC, Bsize: 4096, NameLen: 255}, nil
}

// FileSystem implements vfs.Inode.
func (h *handle) FileSystem() vfs.FileSystem { return callerFS{} }

// Attr implements vfs.Inode.
func (h *handle) Attr() (vfs.Attr, error) {
	s, err := sys.StatAt(h.fd, "")
	return vfs.Attr{
		Ino: s.Ino, Mode: s.Mode, Nlink: s.Nlink, UID: s.UID, GID: s.GID,
		DevMajor: s.DevMajor, DevMinor: s.DevMinor, RdevMajor: s.RdevMajor, RdevMinor: s.RdevMinor,
		Size: s.Size, Blksize: s.Blksize, Blocks: s.Blocks,
		Atime: vfs.Timespec(s.Atime), Mtime: vfs.Timespec(s.Mtime), Ctime: vfs.Timespec(s.Ctime), Btime: vfs.Timespec(s.Btime),
	}, err
}

// SetAttr implements vfs.Inode. A file is the caller's to change; a device of
// the host is not.
func (h *handle) SetAttr(c *vfs.Context, s *vfs.SetAttr) error {
	if h.typ != linux.S_IFREG {
		if s.Mask&vfs.SetSize != 0 {
			return linux.EINVAL
		}
		return linux.EPERM
	}
	if s.Mask&vfs.SetSize != 0 {
		if err := sizeLimit(c, h.fd, s.Size); err != nil {
			return err
		}
		// The host sets the times with the size.
		return sys.Truncate(h.fd, s.Size)
	}
	// What the caller lent is its descriptors, not its files: the jail allows
	// no change of owner, mode or times without a volume.
	return linux.EPERM
}

// Open implements vfs.Inode: /dev/stdout and its like lead here.
func (h *handle) Open(_ *vfs.Context, _ *vfs.Dentry, flags uint32) (vfs.FileOps, error) {
	return h.open(flags, false)
}

func (h *handle) open(flags uint32, first bool) (vfs.FileOps, error) {
	if h.typ == linux.S_IFSOCK && !first {
		return nil, linux.ENXIO
	}
	have, want := h.mode&linux.O_ACCMODE, flags&linux.O_ACCMODE
	if have != linux.O_RDWR && have != want {
		return nil, linux.EACCES
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return nil, linux.ENXIO
	}
	h.opens++
	if h.typ == linux.S_IFREG {
		if first {
			return &shared{h: h, file: file{fd: h.fd}}, nil
		}
		return &again{h: h, file: file{fd: h.fd}}, nil
	}
	return &stream{h: h}, nil
}

func (h *handle) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.opens--; h.opens == 0 {
		h.gone = true
		sys.Close(h.fd)
	}
}

// again is a regular file of the caller opened once more, with a position of
// its own.
type again struct {
	file
	h *handle
}

// Release implements vfs.FileOps.
func (f *again) Release(*vfs.File) { f.h.close() }

// shared is the caller's own description of a regular file. Its position is
// shared with the caller and others, so reads and writes that follow it use it
// and seeks move it.
type shared struct {
	file
	h *handle

	mu   sync.Mutex
	pos  int64 // where the guest last saw the position
	seen bool
}

// Release implements vfs.FileOps.
func (f *shared) Release(*vfs.File) { f.h.close() }

// at reports whether off is the shared position as the guest knows it.
func (f *shared) at(off int64) bool {
	if !f.seen {
		f.seen = true
		f.pos, _ = sys.Seek(f.fd, 0, linux.SEEK_CUR)
	}
	return off == f.pos
}

// Read implements vfs.FileOps.
func (f *shared) Read(c *vfs.Context, d *vfs.File, dst []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.at(off) {
		return f.file.Read(c, d, dst, off)
	}
	n, err := sys.Read(f.fd, dst)
	f.pos += int64(n)
	return n, err
}

// Write implements vfs.FileOps.
func (f *shared) Write(c *vfs.Context, d *vfs.File, src []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	atEnd := off == vfs.Append
	if !atEnd && !f.at(off) {
		return f.file.Write(c, d, src, off)
	}
	src, err := writeLimit(c, f.fd, src, off)
	if err != nil || len(src) == 0 {
		return 0, err
	}
	if atEnd && f.h.mode&linux.O_APPEND == 0 { // set by F_SETFL
		return sys.WriteAppend(f.fd, src)
	}
	n, err := sys.Write(f.fd, src)
	if atEnd {
		f.seen = false
	} else {
		f.pos += int64(n)
	}
	return n, err
}

// Seek implements vfs.Seekable.
func (f *shared) Seek(_ *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := seek(f.fd, cur, off, whence)
	if err != nil || whence == linux.SEEK_CUR && n == cur {
		return n, err
	}
	if n, err = sys.Seek(f.fd, n, linux.SEEK_SET); err == nil {
		f.pos, f.seen = n, true
	}
	return n, err
}

// stream is a pipe, socket or device of the caller. O_NONBLOCK is never
// changed, as the description is shared with the caller; reads and writes do
// not wait all the same.
type stream struct {
	h *handle

	mu    sync.Mutex
	queue waiter.Queue
	stop  func()
}

// Release implements vfs.FileOps.
func (s *stream) Release(*vfs.File) {
	s.mu.Lock()
	if s.stop != nil {
		s.stop()
		s.stop = nil
	}
	s.mu.Unlock()
	s.h.close()
}

// Readiness implements waiter.Waitable.
func (s *stream) Readiness(mask waiter.Mask) waiter.Mask { return hostpoll.Readiness(s.h.fd, mask) }

// EventRegister implements waiter.Waitable.
func (s *stream) EventRegister(e *waiter.Entry, mask waiter.Mask) {
	s.mu.Lock()
	if s.stop == nil {
		// Without it the waiter would sleep for good; a host that cannot poll
		// has no epoll at all.
		if stop, err := s.h.poll.Watch(s.h.fd, &s.queue); err == nil {
			s.stop = stop
		}
	}
	s.mu.Unlock()
	s.queue.Register(e, mask)
}

// EventUnregister implements waiter.Waitable.
func (s *stream) EventUnregister(e *waiter.Entry) { s.queue.Unregister(e) }

// Read implements vfs.FileOps.
func (s *stream) Read(_ *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	if s.h.mode&linux.O_NONBLOCK != 0 {
		return sys.Read(s.h.fd, dst)
	}
	n, err := sys.ReadNowait(s.h.fd, dst)
	if err != linux.EOPNOTSUPP && err != linux.EINVAL && err != linux.ESPIPE {
		return n, err
	}
	// Only another reader of the same description could make this wait.
	if hostpoll.Readiness(s.h.fd, waiter.Readable)&(waiter.Readable|waiter.Hup|waiter.Err) == 0 {
		return 0, linux.EAGAIN
	}
	return sys.Read(s.h.fd, dst)
}

// pipeBuf is PIPE_BUF: a pipe that is ready for writing takes so much.
const pipeBuf = 4096

// Write implements vfs.FileOps.
func (s *stream) Write(c *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	if len(src) == 0 {
		return 0, nil
	}
	n, err := s.write(src)
	if err == linux.EPIPE && c != nil && c.Caller != nil {
		c.Caller.SendSignal(signal.SIGPIPE)
	}
	return n, err
}

func (s *stream) write(src []byte) (int, error) {
	fd := s.h.fd
	if s.h.mode&linux.O_NONBLOCK != 0 {
		return sys.Write(fd, src)
	}
	if s.h.typ == linux.S_IFSOCK {
		return sys.SendTo(fd, src, linux.MSG_DONTWAIT|linux.MSG_NOSIGNAL, nil)
	}
	n, err := sys.WriteNowait(fd, src)
	if err != linux.EOPNOTSUPP && err != linux.EINVAL && err != linux.ESPIPE {
		return n, err
	}
	if hostpoll.Readiness(fd, waiter.Writable)&(waiter.Writable|waiter.Hup|waiter.Err) == 0 {
		return 0, linux.EAGAIN
	}
	return sys.Write(fd, src[:min(len(src), pipeBuf)])
}

// Ioctl implements vfs.FileOps.
func (s *stream) Ioctl(c *vfs.Context, _ *vfs.File, cmd uint32, arg uint64) (uint64, error) {
	if cmd != linux.FIONREAD || s.h.typ == linux.S_IFCHR {
		return 0, linux.ENOTTY
	}
	n, err := sys.IoctlInt(s.h.fd, linux.FIONREAD)
	if err != nil {
		return 0, err
	}
	v := int32(n)
	return 0, usermem.CopyOutObject(c.Mem, arg, &v)
}
