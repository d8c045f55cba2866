package syscalls

import (
	"encoding/binary"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Sizes in bytes.
const (
	sockChunk   = 1 << 20  // most data moved at once: that of task.Buffer
	sockControl = 16 << 10 // most room for received control messages
	msghdrLen   = 56       // struct msghdr
	mmsghdrLen  = 64       // struct mmsghdr
)

// msghdr is struct msghdr, read once.
type msghdr struct {
	name       uint64
	nameLen    int32
	iov        uint64
	iovLen     uint64
	control    uint64
	controlLen uint64
}

func readMsghdr(t *task.Task, addr uint64, h *msghdr, m *sock.Msg) error {
	b := m.Scratch[:msghdrLen]
	if _, err := t.Mem().CopyIn(addr, b); err != nil {
		return err
	}
	ne := binary.NativeEndian
	*h = msghdr{
		name: ne.Uint64(b), nameLen: int32(ne.Uint32(b[8:])), iov: ne.Uint64(b[16:]), iovLen: ne.Uint64(b[24:]),
		control: ne.Uint64(b[32:]), controlLen: ne.Uint64(b[40:]),
	}
	if h.name == 0 {
		h.nameLen = 0
	}
	if h.nameLen < 0 {
		return linux.EINVAL
	}
	h.nameLen = min(h.nameLen, 128)
	return nil
}

// sockIovs is a position in the guest buffers of a call.
type sockIovs struct {
	one  [1]usermem.Range
	rs   []usermem.Range
	skip uint64 // in rs[0]
	left uint64
	last bool // what is received is the last that the call writes
}

func (v *sockIovs) single(addr, n uint64) {
	v.one[0] = usermem.Range{Addr: addr, Len: min(n, usermem.MaxRW)}
	v.rs, v.left = nil, v.one[0].Len
}

func (v *sockIovs) read(t *task.Task, addr, n uint64, m *sock.Msg) error {
	if n > usermem.MaxIovecs {
		return linux.EMSGSIZE // as copy_msghdr_from_user, not EINVAL
	}
	if n == 1 {
		b := m.Scratch[:16]
		if _, err := t.Mem().CopyIn(addr, b); err != nil {
			return err
		}
		base, size := binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:])
		if int64(size) < 0 {
			return linux.EINVAL
		}
		v.single(base, size)
		return nil
	}
	rs, err := usermem.CopyInIovecs(t.Mem(), addr, n)
	v.rs, v.left = rs, usermem.Total(rs)
	if rs == nil {
		v.one[0] = usermem.Range{}
	}
	return err
}

// move copies between b and the next len(b) bytes of the guest's buffers.
func (v *sockIovs) move(mem usermem.Memory, b []byte, out bool) error {
	for len(b) > 0 {
		rs := v.rs
		if rs == nil {
			rs = v.one[:]
		}
		r := &rs[0]
		n := int(min(r.Len-v.skip, uint64(len(b))))
		if n > 0 {
			var err error
			if out {
				_, err = mem.CopyOut(r.Addr+v.skip, b[:n])
			} else {
				_, err = mem.CopyIn(r.Addr+v.skip, b[:n])
			}
			if err != nil {
				return err
			}
		}
		b = b[n:]
		v.skip += uint64(n)
		v.left -= uint64(n)
		if v.skip == r.Len && len(v.rs) > 1 {
			v.rs, v.skip = v.rs[1:], 0
		}
	}
	return nil
}

// sockSend sends what v describes. m holds address and control messages.
func sockSend(t *task.Task, f *vfs.File, s sock.Socket, m *sock.Msg, v *sockIovs, flags int) (uint64, error) {
	stream := s.Common().Type == linux.SOCK_STREAM
	if !stream && v.left > sockChunk {
		return 0, linux.EMSGSIZE
	}
	wait := flags&linux.MSG_DONTWAIT == 0 && !f.NonBlocking()
	var deadline time.Time
	if wait {
		deadline = s.Common().SendDeadline()
	}
	total := uint64(0)
	for {
		buf := t.Buffer(int(min(v.left, sockChunk)))
		if err := v.move(t.Mem(), buf, false); err != nil {
			if total > 0 {
				return total, nil
			}
			return 0, err
		}
		for {
			m.Data, m.Flags = buf, flags
			n, err := s.Send(t.Ctx(), m)
			if err == linux.EAGAIN && wait {
				n, err = sockSendWait(t, s, m, deadline)
			}
			if err != nil {
				if total > 0 {
					return total, nil
				}
				if err == linux.EPIPE {
					sock.RaisePipe(t.Ctx(), s, flags)
				}
				return 0, err
			}
			total += uint64(n)
			m.Control = nil // goes with the first byte
			if buf = buf[n:]; len(buf) == 0 || !stream {
				break
			}
			if !wait {
				return total, nil
			}
		}
		if v.left == 0 {
			return total, nil
		}
	}
}

func sockSendWait(t *task.Task, s sock.Socket, m *sock.Msg, deadline time.Time) (n int, err error) {
	werr := t.BlockUntil(s, waiter.Writable, deadline, func() bool {
		n, err = s.Send(t.Ctx(), m)
		return err != linux.EAGAIN
	})
	if werr != nil {
		return 0, sock.GaveUp(werr, deadline, linux.EAGAIN)
	}
	return n, err
}

// sysSendto implements sendto(2).
func sysSendto(t *task.Task, fd int32, buf, n uint64, flags int32, addr uint64, addrLen int32) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	m := sock.NewMsg()
	defer m.Free()
	if addr != 0 {
		if err := sockAddrIn(t, &m.Addr, addr, addrLen); err != nil {
			return 0, err
		}
	}
	var v sockIovs
	v.single(buf, n)
	return sockSend(t, f, s, m, &v, int(flags))
}

func sockSendmsg(t *task.Task, f *vfs.File, s sock.Socket, addr uint64, flags int32) (uint64, error) {
	m := sock.NewMsg()
	defer m.Free()
	var h msghdr
	if err := readMsghdr(t, addr, &h, m); err != nil {
		return 0, err
	}
	if h.name != 0 {
		if err := sockAddrIn(t, &m.Addr, h.name, h.nameLen); err != nil {
			return 0, err
		}
	}
	var v sockIovs
	if err := v.read(t, h.iov, h.iovLen, m); err != nil {
		return 0, err
	}
	if h.controlLen > sock.MaxControl {
		return 0, linux.ENOBUFS
	}
	if h.controlLen > 0 {
		c, err := usermem.CopyInBytes(t.Mem(), h.control, int(h.controlLen))
		if err != nil {
			return 0, err
		}
		m.Control = c
	}
	return sockSend(t, f, s, m, &v, int(flags))
}

// sysSendmsg implements sendmsg(2).
func sysSendmsg(t *task.Task, fd int32, addr uint64, flags int32) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return sockSendmsg(t, f, s, addr, flags)
}

// sysSendmmsg implements sendmmsg(2).
func sysSendmmsg(t *task.Task, fd int32, addr uint64, n uint32, flags int32) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	n = min(n, usermem.MaxIovecs)
	done := uint64(0)
	for ; done < uint64(n); done++ {
		at := addr + done*mmsghdrLen
		var sent uint64
		if sent, err = sockSendmsg(t, f, s, at, flags); err != nil {
			break
		}
		if err = sockPutU32(t, at+msghdrLen, uint32(sent)); err != nil {
			break
		}
	}
	if done > 0 {
		return done, nil
	}
	return 0, err
}

func sockPutU32(t *task.Task, addr uint64, v uint32) error {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], v)
	_, err := t.Mem().CopyOut(addr, b[:])
	return err
}

// sockRecv receives into v. control is the room for control messages; m has
// address, flags and what was put there afterwards.
func sockRecv(t *task.Task, f *vfs.File, s sock.Socket, m *sock.Msg, v *sockIovs, flags, control int) (uint64, error) {
	stream := s.Common().Type == linux.SOCK_STREAM
	wait := flags&(linux.MSG_DONTWAIT|linux.MSG_ERRQUEUE) == 0 && !f.NonBlocking()
	// MSG_TRUNC on TCP throws data away (tcp(7)).
	discard := stream && flags&linux.MSG_TRUNC != 0 && s.Common().Family != linux.AF_UNIX
	all := stream && wait && flags&linux.MSG_WAITALL != 0
	var deadline time.Time
	if wait {
		deadline = s.Common().RecvDeadline()
	}
	total, room := uint64(0), v.left
	for {
		data := int(min(v.left, sockChunk-uint64(control)))
		buf := t.Buffer(data + control)
		m.Data, m.Flags = buf[:data], flags
		m.Control, m.ControlN = buf[data:], 0
		want := 0
		if all && flags&linux.MSG_PEEK != 0 {
			want = data
		}
		n, err := s.Recv(t.Ctx(), m)
		if err == linux.EAGAIN && wait || err == nil && n < want {
			n, err = sockRecvWait(t, s, m, flags, want, deadline)
		}
		if err != nil {
			if total > 0 {
				m.Flags = 0
				return total, nil
			}
			return 0, err
		}
		if discard {
			v.left -= uint64(min(n, data)) // nothing was put in the buffer
		} else if v.last && v.rs == nil && (!all || uint64(n) == room) {
			return uint64(n), usermem.CopyOutLast(t.Mem(), v.one[0].Addr, m.Data[:min(n, data)])
		} else if err := v.move(t.Mem(), m.Data[:min(n, data)], true); err != nil {
			if total > 0 {
				return total, nil
			}
			return 0, err
		}
		total += uint64(n)
		if !all || n == 0 || total >= room || m.ControlN > 0 || flags&linux.MSG_PEEK != 0 {
			return total, nil
		}
	}
}

// sockRecvWait waits for a message, or for want bytes to be there (MSG_PEEK
// with MSG_WAITALL).
func sockRecvWait(t *task.Task, s sock.Socket, m *sock.Msg, flags, want int, deadline time.Time) (n int, err error) {
	mask := waiter.Readable
	if flags&linux.MSG_OOB != 0 {
		mask |= waiter.Pri
	}
	if want > 0 {
		mask |= waiter.RdHup
	}
	werr := t.BlockUntil(s, mask, deadline, func() bool {
		m.Flags, m.ControlN = flags, 0
		n, err = s.Recv(t.Ctx(), m)
		return err != linux.EAGAIN && (err != nil || n >= want || s.Readiness(waiter.RdHup)&(waiter.RdHup|waiter.Hup) != 0)
	})
	if werr != nil && (want == 0 || err != nil) {
		return 0, sock.GaveUp(werr, deadline, linux.EAGAIN)
	}
	return n, err
}

// sysRecvfrom implements recvfrom(2).
func sysRecvfrom(t *task.Task, fd int32, buf, n uint64, flags int32, addr, lenAddr uint64) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	m := sock.NewMsg()
	defer m.Free()
	v := sockIovs{last: addr == 0}
	v.single(buf, n)
	got, err := sockRecv(t, f, s, m, &v, int(flags), 0)
	if err != nil {
		return 0, err
	}
	if addr != 0 {
		if err := sockAddrOut(t, m, addr, lenAddr); err != nil {
			return 0, err
		}
	}
	return got, nil
}

// sockRecvmsg receives into the struct msghdr at addr; last tells that the call
// writes nothing else afterwards.
func sockRecvmsg(t *task.Task, f *vfs.File, s sock.Socket, addr uint64, flags int32, last bool) (uint64, error) {
	m := sock.NewMsg()
	defer m.Free()
	var h msghdr
	if err := readMsghdr(t, addr, &h, m); err != nil {
		return 0, err
	}
	var v sockIovs
	if err := v.read(t, h.iov, h.iovLen, m); err != nil {
		return 0, err
	}
	got, err := sockRecv(t, f, s, m, &v, int(flags), int(min(h.controlLen, sockControl)))
	if err != nil {
		return 0, err
	}
	ne := binary.NativeEndian
	if h.name != 0 {
		if n := min(int(h.nameLen), m.Addr.N); n > 0 {
			if _, err := t.Mem().CopyOut(h.name, m.Addr.B[:n]); err != nil {
				return 0, err
			}
		}
		b := m.Scratch[:4]
		ne.PutUint32(b, uint32(m.Addr.N))
		if _, err := t.Mem().CopyOut(addr+8, b); err != nil {
			return 0, err
		}
	}
	if m.ControlN > 0 {
		if _, err := t.Mem().CopyOut(h.control, m.Control[:m.ControlN]); err != nil {
			return 0, err
		}
	}
	tail := m.Scratch[:12] // msg_controllen, msg_flags
	ne.PutUint64(tail, uint64(m.ControlN))
	ne.PutUint32(tail[8:], uint32(m.Flags)|uint32(flags)&linux.MSG_CMSG_CLOEXEC)
	if last {
		return got, usermem.CopyOutLast(t.Mem(), addr+40, tail)
	}
	_, err = t.Mem().CopyOut(addr+40, tail)
	return got, err
}

// sysRecvmsg implements recvmsg(2).
func sysRecvmsg(t *task.Task, fd int32, addr uint64, flags int32) (uint64, error) {
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return sockRecvmsg(t, f, s, addr, flags, true)
}

// sysRecvmmsg implements recvmmsg(2). As on Linux the timeout is looked at
// only between messages.
func sysRecvmmsg(t *task.Task, fd int32, addr uint64, n uint32, flags int32, timeout uint64) (uint64, error) {
	var deadline time.Time
	if timeout != 0 {
		var ts [16]byte
		if _, err := t.Mem().CopyIn(timeout, ts[:]); err != nil {
			return 0, err
		}
		sec, nsec := int64(binary.NativeEndian.Uint64(ts[:])), int64(binary.NativeEndian.Uint64(ts[8:]))
		if sec < 0 || nsec < 0 || nsec >= 1e9 {
			return 0, linux.EINVAL
		}
		deadline = time.Now().Add(time.Duration(min(sec, 1<<32))*time.Second + time.Duration(nsec))
	}
	f, s, err := getSocket(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	n = min(n, usermem.MaxIovecs)
	done := uint64(0)
	for done < uint64(n) {
		at := addr + done*mmsghdrLen
		var got uint64
		if got, err = sockRecvmsg(t, f, s, at, flags&^linux.MSG_WAITFORONE, false); err != nil {
			break
		}
		if err = sockPutU32(t, at+msghdrLen, uint32(got)); err != nil {
			break
		}
		done++
		if flags&linux.MSG_WAITFORONE != 0 {
			flags |= linux.MSG_DONTWAIT
		}
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			break
		}
	}
	if timeout != 0 && done > 0 {
		left := max(time.Until(deadline), 0)
		var ts [16]byte
		binary.NativeEndian.PutUint64(ts[:], uint64(left/time.Second))
		binary.NativeEndian.PutUint64(ts[8:], uint64(left%time.Second))
		if _, err := t.Mem().CopyOut(timeout, ts[:]); err != nil {
			return 0, err
		}
	}
	if done > 0 {
		return done, nil
	}
	return 0, err
}
