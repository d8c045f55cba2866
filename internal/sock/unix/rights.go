package unix

import (
	"encoding/binary"

	"sentinel/internal/abi/linux"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
)

const (
	maxFiles  = 253   // SCM_MAX_FD
	maxFlight = 16384 // of a sandbox
	gcAt      = 1024  // in flight, beyond which sends collect
)

// flight counts how often a socket's description is in messages.
type flight struct {
	file *vfs.File
	n    int64
}

// parse reads the control messages of a send. On success the files in x have
// a reference each.
func (s *Socket) parse(c *vfs.Context, control []byte) (x extra, err error) {
	err = sock.EachCmsg(control, func(level, typ int, data []byte) error {
		if level != linux.SOL_SOCKET {
			return nil
		}
		switch typ {
		case linux.SCM_RIGHTS:
			n := len(data) / 4
			if len(x.files)+n > maxFiles {
				return linux.EINVAL
			}
			for i := range n {
				f, err := c.FDs.Get(int32(binary.NativeEndian.Uint32(data[4*i:])))
				if err != nil {
					return err
				}
				x.files = append(x.files, f)
			}
		case linux.SCM_CREDENTIALS:
			if len(data) != 12 {
				return linux.EINVAL
			}
			p := person{
				int32(binary.NativeEndian.Uint32(data)),
				binary.NativeEndian.Uint32(data[4:]), binary.NativeEndian.Uint32(data[8:]),
			}
			if !canSend(c, p) {
				return linux.EPERM
			}
			x.who, x.hasWho = p, true
		default:
			return linux.EINVAL
		}
		return nil
	})
	if err != nil {
		drop(x.files)
		return extra{}, err
	}
	return x, nil
}

// credit fills in the sender where either side asks for it.
func (s *Socket) credit(c *vfs.Context, to *Socket, x *extra) {
	if !x.hasWho && (s.Flag(sock.FlagPassCred) || to.Flag(sock.FlagPassCred) || to.embryo.Load()) {
		x.who, x.hasWho = caller(c), true
	}
}

func drop(files []*vfs.File) {
	for _, f := range files {
		f.DecRef()
	}
}

func unixSocket(f *vfs.File) *Socket {
	if o, ok := f.Ops.(*sock.Ops); ok {
		s, _ := o.Socket.(*Socket)
		return s
	}
	return nil
}

// launch counts files as in flight; gcMu is held.
func (st *Stack) launch(files []*vfs.File) error {
	if int(st.nFlight.Load())+len(files) > maxFlight {
		return linux.ETOOMANYREFS
	}
	st.nFlight.Add(int32(len(files)))
	for _, f := range files {
		if s := unixSocket(f); s != nil {
			fl := st.inflight[s]
			if fl == nil {
				fl = &flight{file: f}
				st.inflight[s] = fl
			}
			fl.n++
		}
	}
	return nil
}

// land undoes launch; gcMu is held.
func (st *Stack) land(files []*vfs.File) {
	st.nFlight.Add(-int32(len(files)))
	for _, f := range files {
		if s := unixSocket(f); s != nil {
			if fl := st.inflight[s]; fl != nil {
				if fl.n--; fl.n == 0 {
					delete(st.inflight, s)
				}
			}
		}
	}
}

// discard lands and drops files that nobody received.
func (st *Stack) discard(files []*vfs.File) {
	if len(files) == 0 {
		return
	}
	st.gcMu.Lock()
	st.land(files)
	st.gcMu.Unlock()
	drop(files)
}

// collect frees the sockets that are referred to only by messages in queues
// that nobody can read, as unix_gc in net/unix/garbage.c does.
func (st *Stack) collect() {
	if st.nFlight.Load() == 0 {
		return
	}
	var files []*vfs.File
	var msgs []message
	st.gcMu.Lock()
	// A candidate has no reference but those in flight. Only they can be
	// garbage; a reference from the queue of another socket makes it live.
	outside := map[*Socket]int64{}
	for s, fl := range st.inflight {
		if fl.file.Refs() == fl.n {
			outside[s] = fl.n
		}
	}
	for s := range outside {
		st.eachQueued(s, func(f *vfs.File) {
			if t := unixSocket(f); t != nil {
				if _, ok := outside[t]; ok {
					outside[t]--
				}
			}
		})
	}
	live := make([]*Socket, 0, len(outside))
	for s, n := range outside {
		if n > 0 {
			live = append(live, s)
			delete(outside, s)
		}
	}
	for len(live) > 0 {
		s := live[len(live)-1]
		live = live[:len(live)-1]
		st.eachQueued(s, func(f *vfs.File) {
			if t := unixSocket(f); t != nil {
				if _, ok := outside[t]; ok {
					delete(outside, t)
					live = append(live, t)
				}
			}
		})
	}
	for s := range outside {
		for _, q := range st.queuesOf(s) {
			q.mu.Lock()
			fs, ms := q.drain()
			q.mu.Unlock()
			files, msgs = append(files, fs...), append(msgs, ms...)
		}
	}
	st.land(files)
	st.gcMu.Unlock()
	refund(msgs)
	drop(files) // the last references: this closes the sockets
}

// queuesOf returns the queues that only s can read: its own and those of the
// connections that it has not accepted.
func (st *Stack) queuesOf(s *Socket) []*queue {
	st.mu.Lock()
	defer st.mu.Unlock()
	qs := []*queue{&s.rx}
	for _, e := range s.pending {
		qs = append(qs, &e.rx)
	}
	return qs
}

func (st *Stack) eachQueued(s *Socket, fn func(*vfs.File)) {
	for _, q := range st.queuesOf(s) {
		q.mu.Lock()
		q.eachFile(fn)
		q.mu.Unlock()
	}
}

// deliver puts files and credentials into a received message, as scm_recv in
// include/net/scm.h does.
func (s *Socket) deliver(c *vfs.Context, m *sock.Msg, in int, x *extra, flags *int) {
	if s.Flag(sock.FlagPassCred) {
		var b [12]byte
		binary.NativeEndian.PutUint32(b[:], uint32(x.who.pid))
		binary.NativeEndian.PutUint32(b[4:], x.who.uid)
		binary.NativeEndian.PutUint32(b[8:], x.who.gid)
		m.PutCmsg(flags, linux.SOL_SOCKET, linux.SCM_CREDENTIALS, b[:])
	}
	if len(x.files) == 0 {
		return
	}
	room := (len(m.Control) - m.ControlN - sock.CmsgHeader) / 4
	n := min(max(room, 0), len(x.files))
	var buf [4 * maxFiles]byte
	done := 0
	for ; done < n; done++ {
		fd, err := c.FDs.Install(x.files[done], in&linux.MSG_CMSG_CLOEXEC != 0)
		if err != nil {
			x.files = append(x.files[:done:done], x.files[done+1:]...) // Install took it
			break
		}
		binary.NativeEndian.PutUint32(buf[4*done:], uint32(fd))
	}
	if done > 0 {
		m.PutCmsg(flags, linux.SOL_SOCKET, linux.SCM_RIGHTS, buf[:4*done])
	}
	if done < n || n < len(x.files) {
		*flags |= linux.MSG_CTRUNC
	}
	drop(x.files[done:])
}
