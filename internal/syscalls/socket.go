package syscalls

import (
	"encoding/binary"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

const (
	sockTypeMask = 0xf // SOCK_TYPE_MASK in include/linux/net.h
	sockMax      = 11
)

// getSocket returns the socket of a descriptor, with a reference to its file.
func getSocket(t *task.Task, fd int32) (*vfs.File, sock.Socket, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return nil, nil, err
	}
	s, err := sock.Of(f)
	if err != nil {
		f.DecRef()
		return nil, nil, err
	}
	return f, s, nil
}

// sockType splits the type argument of socket(2) and socketpair(2).
func sockType(typ uint32) (base int, flags uint32, cloexec bool, err error) {
	if typ&^(sockTypeMask|linux.SOCK_CLOEXEC|linux.SOCK_NONBLOCK) != 0 || typ&sockTypeMask >= sockMax {
		return 0, 0, false, linux.EINVAL
	}
	return int(typ & sockTypeMask), typ & linux.SOCK_NONBLOCK, typ&linux.SOCK_CLOEXEC != 0, nil
}

// sysSocket implements socket(2).
func sysSocket(t *task.Task, family int32, typ uint32, protocol int32) (uint64, error) {
	base, flags, cloexec, err := sockType(typ)
	if err != nil {
		return 0, err
	}
	s, err := t.Kernel().Net().Socket(t.Ctx(), int(family), base, int(protocol))
	if err != nil {
		return 0, err
	}
	fd, err := t.FDs().Install(sock.NewFile(s, flags), cloexec)
	return uint64(fd), err
}

// sysSocketpair implements socketpair(2).
func sysSocketpair(t *task.Task, family int32, typ uint32, protocol int32, out uint64) (uint64, error) {
	base, flags, cloexec, err := sockType(typ)
	if err != nil {
		return 0, err
	}
	a, b, err := t.Kernel().Net().SocketPair(t.Ctx(), int(family), base, int(protocol))
	if err != nil {
		return 0, err
	}
	fa, fb := sock.NewFile(a, flags), sock.NewFile(b, flags)
	x, err := t.FDs().Install(fa, cloexec)
	if err != nil {
		fb.DecRef()
		return 0, err
	}
	y, err := t.FDs().Install(fb, cloexec)
	if err == nil {
		var p [8]byte
		binary.NativeEndian.PutUint32(p[:], uint32(x))
		binary.NativeEndian.PutUint32(p[4:], uint32(y))
		if _, err = t.Mem().CopyOut(out, p[:]); err == nil {
			return 0, nil
		}
		_ = t.FDs().Close(t.Ctx(), y)
	}
	_ = t.FDs().Close(t.Ctx(), x)
	return 0, err
}

// sockAddrIn copies a socket address in (move_addr_to_kernel).
func sockAddrIn(t *task.Task, a *sock.Addr, addr uint64, n int32) error {
	if n < 0 || int(n) > len(a.B) {
		return linux.EINVAL
	}
	a.N = int(n)
	if n == 0 {
		return nil
	}
	_, err := t.Mem().CopyIn(addr, a.B[:n])
	return err
}

// sockAddrOut copies the address of m out, cut to the room at addr, and its
// full length to lenAddr (move_addr_to_user). The caller writes nothing else.
func sockAddrOut(t *task.Task, m *sock.Msg, addr, lenAddr uint64) error {
	return sockAddrTo(t, m, addr, lenAddr, usermem.CopyOutLast)
}

// sockAddrTo is sockAddrOut by a way to copy.
func sockAddrTo(t *task.Task, m *sock.Msg, addr, lenAddr uint64, out func(usermem.Memory, uint64, []byte) error) error {
	l := m.Scratch[:4]
	if _, err := t.Mem().CopyIn(lenAddr, l); err != nil {
		return err
	}
	room := int(int32(binary.NativeEndian.Uint32(l)))
	if room < 0 {
		return linux.EINVAL
	}
	if n := min(room, m.Addr.N); n > 0 {
		if err := out(t.Mem(), addr, m.Addr.B[:n]); err != nil {
			return err
		}
	}
	binary.NativeEndian.PutUint32(l, uint32(m.Addr.N))
	return out(t.Mem(), lenAddr, l)
}

// sysBind implements bind(2).
func sysBind(t *task.Task, fd int32, addr uint64, n int32) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	m := sock.NewMsg()
	defer m.Free()
	if err := sockAddrIn(t, &m.Addr, addr, n); err != nil {
		return 0, err
	}
	return 0, s.Bind(t.Ctx(), m.Addr.Bytes())
}

// sysListen implements listen(2).
func sysListen(t *task.Task, fd, backlog int32) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, s.Listen(t.Ctx(), int(backlog))
}

// sysConnect implements connect(2).
func sysConnect(t *task.Task, fd int32, addr uint64, n int32) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	m := sock.NewMsg()
	defer m.Free()
	a := &m.Addr
	if err := sockAddrIn(t, a, addr, n); err != nil {
		return 0, err
	}
	err = s.Connect(t.Ctx(), a.Bytes())
	switch err {
	case linux.EINPROGRESS, linux.EALREADY, linux.EAGAIN:
		if !f.NonBlocking() {
			err = sockConnectWait(t, s, a, err.(linux.Errno))
		}
	}
	return 0, err
}

func sockConnectWait(t *task.Task, s sock.Socket, a *sock.Addr, pending linux.Errno) error {
	if pending != linux.EAGAIN {
		pending = linux.EINPROGRESS
	}
	deadline := s.Common().SendDeadline()
	var result error
	err := t.BlockUntil(s, waiter.Writable, deadline, func() bool {
		result = s.Connect(t.Ctx(), a.Bytes())
		return result != linux.EINPROGRESS && result != linux.EALREADY && result != linux.EAGAIN
	})
	if err != nil {
		return sock.GaveUp(err, deadline, pending)
	}
	return result
}

// sysAccept implements accept(2).
func sysAccept(t *task.Task, fd int32, addr, lenAddr uint64) (uint64, error) {
	return sysAccept4(t, fd, addr, lenAddr, 0)
}

// sysAccept4 implements accept4(2).
func sysAccept4(t *task.Task, fd int32, addr, lenAddr uint64, flags uint32) (uint64, error) {
	if flags&^(linux.SOCK_CLOEXEC|linux.SOCK_NONBLOCK) != 0 {
		return 0, linux.EINVAL
	}
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	m := sock.NewMsg()
	defer m.Free()
	var peer *sock.Addr
	if addr != 0 {
		peer = &m.Addr
	}
	conn, err := s.Accept(t.Ctx(), peer)
	if err == linux.EAGAIN && !f.NonBlocking() {
		conn, err = sockAcceptWait(t, s, peer)
	}
	if err != nil {
		return 0, err
	}
	nfd, err := t.FDs().Install(sock.NewFile(conn, flags&linux.SOCK_NONBLOCK), flags&linux.SOCK_CLOEXEC != 0)
	if err != nil {
		return 0, err
	}
	if peer != nil {
		// At once, since without it there is no connection.
		if err := sockAddrTo(t, m, addr, lenAddr, copyOut); err != nil {
			_ = t.FDs().Close(t.Ctx(), nfd)
			return 0, err
		}
	}
	return uint64(nfd), nil
}

func copyOut(m usermem.Memory, addr uint64, b []byte) error {
	_, err := m.CopyOut(addr, b)
	return err
}

func sockAcceptWait(t *task.Task, s sock.Socket, peer *sock.Addr) (sock.Socket, error) {
	deadline := s.Common().RecvDeadline()
	var conn sock.Socket
	var result error
	err := t.BlockUntil(s, waiter.Readable, deadline, func() bool {
		conn, result = s.Accept(t.Ctx(), peer)
		return result != linux.EAGAIN
	})
	if err != nil {
		return nil, sock.GaveUp(err, deadline, linux.EAGAIN)
	}
	return conn, result
}

// sysGetsockname implements getsockname(2).
func sysGetsockname(t *task.Task, fd int32, addr, lenAddr uint64) (uint64, error) {
	return sockName(t, fd, addr, lenAddr, false)
}

// sysGetpeername implements getpeername(2).
func sysGetpeername(t *task.Task, fd int32, addr, lenAddr uint64) (uint64, error) {
	return sockName(t, fd, addr, lenAddr, true)
}

func sockName(t *task.Task, fd int32, addr, lenAddr uint64, peer bool) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	m := sock.NewMsg()
	defer m.Free()
	if peer {
		err = s.Peer(&m.Addr)
	} else {
		err = s.Name(&m.Addr)
	}
	if err != nil {
		return 0, err
	}
	return 0, sockAddrOut(t, m, addr, lenAddr)
}

// sysShutdown implements shutdown(2).
func sysShutdown(t *task.Task, fd, how int32) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, s.Shutdown(t.Ctx(), int(how))
}

// sysSetsockopt implements setsockopt(2).
func sysSetsockopt(t *task.Task, fd, level, name int32, addr uint64, n int32) (uint64, error) {
	if n < 0 {
		return 0, linux.EINVAL
	}
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	val := t.Buffer(min(int(n), sock.MaxOption))
	if len(val) > 0 {
		if _, err := t.Mem().CopyIn(addr, val); err != nil {
			return 0, err
		}
	}
	return 0, s.SetOpt(t.Ctx(), int(level), int(name), val)
}

// sysGetsockopt implements getsockopt(2).
func sysGetsockopt(t *task.Task, fd, level, name int32, addr, lenAddr uint64) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	var l [4]byte
	if _, err := t.Mem().CopyIn(lenAddr, l[:]); err != nil {
		return 0, err
	}
	room := int(int32(binary.NativeEndian.Uint32(l[:])))
	if room < 0 {
		return 0, linux.EINVAL
	}
	buf := t.Buffer(min(room, sock.MaxOption))
	n, err := s.GetOpt(t.Ctx(), int(level), int(name), buf)
	if err != nil {
		return 0, err
	}
	if n > 0 {
		if err := usermem.CopyOutLast(t.Mem(), addr, buf[:n]); err != nil {
			return 0, err
		}
	}
	binary.NativeEndian.PutUint32(l[:], uint32(n))
	return 0, usermem.CopyOutLast(t.Mem(), lenAddr, l[:])
}
