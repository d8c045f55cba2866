package ipc

import (
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Limits of POSIX message queues, from include/linux/ipc_namespace.h.
const (
	MqQueuesMax      = 256
	MqMsgMax         = 10
	MqMsgsizeMax     = 8192
	mqHardMsgMax     = 65536
	mqHardMsgsizeMax = 16 << 20
	// mqPool bounds the messages of all queues, which an unlimited
	// RLIMIT_MSGQUEUE would not.
	mqPool = 64 << 20
	// mqFileSize is FILENT_SIZE.
	mqFileSize = 80
	nameMax    = 255
)

// Queues are the POSIX message queues of a name space, and the file system
// mqueue that shows them.
type Queues struct {
	mu      sync.Mutex
	names   map[string]*Queue
	charged map[uint32]uint64 // RLIMIT_MSGQUEUE by user
	bytes   int
	lastIno uint64
	root    *mqRoot
}

type mqMsg struct {
	prio uint32
	data []byte
}

// Queue is one queue; it is the inode of its file.
type Queue struct {
	s    *Queues
	name string
	ino  uint64
	q    waitQueue

	// Guarded by s.mu.
	mode, uid, gid  uint32
	maxmsg, msgsize int64
	msgs            []mqMsg // in the order of delivery
	receivers       int     // that sleep
	opens           int
	linked          bool
	charge          uint64
	chargedTo       uint32
	atime, mtime    time.Time
	ctime           time.Time
	notify          *Notification
}

// Notification is a registration by mq_notify(2).
type Notification struct {
	PID    int32
	Notify int32 // linux.SIGEV_*
	Signo  int32
	// Fire tells of a message by sender, Removed that the registration ended
	// before one came. Both may be nil; they run with the queues locked.
	Fire    func(sender Who)
	Removed func()
	// Discard is for the caller of SetNotify, should that fail.
	Discard func()
}

// NewQueues returns an empty set of queues.
func NewQueues() *Queues {
	s := &Queues{names: map[string]*Queue{}, charged: map[uint32]uint64{}, lastIno: 1}
	s.root = &mqRoot{s: s, mode: linux.S_IFDIR | linux.S_ISVTX | 0o777, time: time.Now()}
	return s
}

// OpenArgs are those of mq_open(2).
type OpenArgs struct {
	Name  string
	Flags uint32
	Mode  uint32
	Attr  *linux.MqAttr
	Limit uint64 // RLIMIT_MSGQUEUE
}

// checkName is what lookup_noperm in fs/namei.c refuses.
func checkName(name string) error {
	switch {
	case name == "":
		return linux.ENOENT
	case len(name) > nameMax:
		return linux.ENAMETOOLONG
	case name == "." || name == "..":
		return linux.EACCES
	}
	for i := range len(name) {
		if name[i] == '/' {
			return linux.EACCES
		}
	}
	return nil
}

// Open implements mq_open(2).
func (s *Queues) Open(c *vfs.Context, a *OpenArgs) (*vfs.File, error) {
	q, err := s.open(c, a)
	if err != nil {
		return nil, err
	}
	f := vfs.NewFile(&mqFile{q: q}, vfs.Path{}, q, a.Flags&(linux.O_ACCMODE|linux.O_NONBLOCK))
	f.Name = "/" + a.Name
	return f, nil
}

// open finds or makes a queue and counts its user.
func (s *Queues) open(c *vfs.Context, a *OpenArgs) (*Queue, error) {
	if err := checkName(a.Name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.names[a.Name]
	switch {
	case q != nil && a.Flags&(linux.O_CREAT|linux.O_EXCL) == linux.O_CREAT|linux.O_EXCL:
		return nil, linux.EEXIST
	case q != nil:
		want := uint32(0)
		switch a.Flags & linux.O_ACCMODE {
		case linux.O_RDONLY:
			want = 4
		case linux.O_WRONLY:
			want = 2
		case linux.O_RDWR:
			want = 6
		default:
			return nil, linux.EINVAL
		}
		if !q.allows(c.Cred, want) {
			return nil, linux.EACCES
		}
	case a.Flags&linux.O_CREAT == 0:
		return nil, linux.ENOENT
	default:
		var err error
		if q, err = s.create(c.Cred, a.Name, a.Mode, a.Attr, a.Limit); err != nil {
			return nil, err
		}
	}
	q.opens++
	return q, nil
}

// create makes a queue (mqueue_create_attr and mqueue_get_inode).
func (s *Queues) create(c *cred.Cred, name string, mode uint32, attr *linux.MqAttr, limit uint64) (*Queue, error) {
	if len(s.names) >= MqQueuesMax {
		return nil, linux.ENOSPC
	}
	q := &Queue{s: s, name: name, mode: linux.S_IFREG | mode&0o7777, uid: c.FSUID, gid: c.FSGID, maxmsg: MqMsgMax, msgsize: MqMsgsizeMax}
	if attr != nil {
		q.maxmsg, q.msgsize = attr.Maxmsg, attr.Msgsize
		maxmsg, maxsize := int64(MqMsgMax), int64(MqMsgsizeMax)
		if c.Has(cred.CapSysResource) {
			maxmsg, maxsize = mqHardMsgMax, mqHardMsgsizeMax
		}
		if q.maxmsg <= 0 || q.msgsize <= 0 || q.maxmsg > maxmsg || q.msgsize > maxsize {
			return nil, linux.EINVAL
		}
	}
	const sizeofMsg, sizeofNode = 48, 48
	q.charge = uint64(q.maxmsg)*(sizeofMsg+uint64(q.msgsize)) + uint64(min(q.maxmsg, linux.MQ_PRIO_MAX))*sizeofNode
	if s.charged[c.UID]+q.charge > limit {
		return nil, linux.EMFILE
	}
	q.chargedTo = c.UID
	s.charged[c.UID] += q.charge
	s.lastIno++
	q.ino, q.linked = s.lastIno, true
	q.ctime = time.Now()
	q.atime, q.mtime = q.ctime, q.ctime
	s.names[name] = q
	return q, nil
}

// allows is generic_permission for a file.
func (q *Queue) allows(c *cred.Cred, want uint32) bool {
	have := q.mode
	switch {
	case c.FSUID == q.uid:
		have >>= 6
	case c.InGroup(q.gid):
		have >>= 3
	}
	return want&^have == 0 || c.Has(cred.CapDacOverride) || want == 4 && c.Has(cred.CapDacReadSearch)
}

// Unlink implements mq_unlink(2).
func (s *Queues) Unlink(c *vfs.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.names[name]
	if q == nil {
		return linux.ENOENT
	}
	if c.Cred.FSUID != q.uid && c.Cred.FSUID != 0 && !c.Cred.Has(cred.CapFowner) {
		return linux.EPERM // the directory is sticky
	}
	s.unlink(q)
	return nil
}

func (s *Queues) unlink(q *Queue) {
	delete(s.names, q.name)
	q.linked = false
	q.reap()
}

// reap frees a queue without name and users.
func (q *Queue) reap() {
	if q.linked || q.opens > 0 {
		return
	}
	s := q.s
	if s.charged[q.chargedTo] -= q.charge; s.charged[q.chargedTo] == 0 {
		delete(s.charged, q.chargedTo)
	}
	for _, m := range q.msgs {
		s.bytes -= len(m.data)
	}
	q.msgs, q.charge = nil, 0
}

// QueueOf returns the queue behind f, or nil.
func QueueOf(f *vfs.File) *Queue {
	if m, ok := f.Ops.(*mqFile); ok {
		return m.q
	}
	return nil
}

// MsgSize returns the size of the largest message.
func (q *Queue) MsgSize() int64 { return q.msgsize }

// Send implements mq_timedsend(2) once its arguments are checked. data is kept.
func (q *Queue) Send(w Who, prio uint32, data []byte, nonblock bool, block BlockFunc) error {
	q.s.mu.Lock()
	ok, err := q.send(w, prio, data)
	q.s.mu.Unlock()
	switch {
	case ok || err != nil:
		return err
	case nonblock:
		return linux.EAGAIN
	}
	var result error
	if err := block(&q.q, func() bool {
		q.s.mu.Lock()
		defer q.s.mu.Unlock()
		ok, result = q.send(w, prio, data)
		return ok || result != nil
	}); err != nil {
		return err
	}
	return result
}

func (q *Queue) send(w Who, prio uint32, data []byte) (bool, error) {
	if int64(len(q.msgs)) >= q.maxmsg {
		return false, nil
	}
	if q.s.bytes+len(data) > mqPool {
		return false, linux.ENOMEM
	}
	q.s.bytes += len(data)
	i := len(q.msgs)
	for i > 0 && q.msgs[i-1].prio < prio {
		i--
	}
	q.msgs = slices.Insert(q.msgs, i, mqMsg{prio, data})
	q.mtime = time.Now()
	q.ctime = q.mtime
	if n := q.notify; n != nil && len(q.msgs) == 1 && q.receivers == 0 {
		q.notify = nil
		if n.Fire != nil {
			n.Fire(w)
		}
	}
	q.q.Notify(waiter.All)
	return true, nil
}

// Receive implements mq_timedreceive(2) once its arguments are checked.
func (q *Queue) Receive(nonblock bool, block BlockFunc) (data []byte, prio uint32, err error) {
	q.s.mu.Lock()
	data, prio, ok := q.receive()
	if !ok && !nonblock {
		q.receivers++
	}
	q.s.mu.Unlock()
	switch {
	case ok:
		return data, prio, nil
	case nonblock:
		return nil, 0, linux.EAGAIN
	}
	err = block(&q.q, func() bool {
		q.s.mu.Lock()
		defer q.s.mu.Unlock()
		data, prio, ok = q.receive()
		return ok
	})
	q.s.mu.Lock()
	q.receivers--
	q.s.mu.Unlock()
	return data, prio, err
}

func (q *Queue) receive() (data []byte, prio uint32, ok bool) {
	if len(q.msgs) == 0 {
		return nil, 0, false
	}
	m := q.msgs[0]
	q.msgs = slices.Delete(q.msgs, 0, 1)
	q.s.bytes -= len(m.data)
	q.atime = time.Now()
	q.ctime = q.atime
	q.q.Notify(waiter.All)
	return m.data, m.prio, true
}

// SetNotify registers n, or with nil ends the registration of process pid.
func (q *Queue) SetNotify(pid int32, n *Notification) error {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	if n == nil {
		if old := q.notify; old != nil && old.PID == pid {
			q.notify = nil
			if old.Removed != nil {
				old.Removed()
			}
		}
		return nil
	}
	if q.notify != nil {
		return linux.EBUSY
	}
	q.notify = n
	return nil
}

// Attr64 returns what mq_getattr(3) tells, but for the flags.
func (q *Queue) Attr64() linux.MqAttr {
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	return linux.MqAttr{Maxmsg: q.maxmsg, Msgsize: q.msgsize, Curmsgs: int64(len(q.msgs))}
}

// mqFile is an open queue.
type mqFile struct {
	vfs.NoFile
	q *Queue
}

// Release implements vfs.FileOps.
func (m *mqFile) Release(*vfs.File) {
	m.q.s.mu.Lock()
	defer m.q.s.mu.Unlock()
	m.q.opens--
	m.q.reap()
}

// Flush implements vfs.Closer: closing any descriptor of the queue ends the
// process's registration.
func (m *mqFile) Flush(c *vfs.Context, _ *vfs.File) error {
	if c == nil || c.Caller == nil {
		return nil
	}
	return m.q.SetNotify(c.Caller.PID(), nil)
}

// Read implements vfs.FileOps: the state of the queue as text.
func (m *mqFile) Read(_ *vfs.Context, _ *vfs.File, dst []byte, off int64) (int, error) {
	q := m.q
	q.s.mu.Lock()
	size, notify, signo, pid := 0, int32(0), int32(0), int32(0)
	for _, x := range q.msgs {
		size += len(x.data)
	}
	if n := q.notify; n != nil {
		notify, pid = n.Notify, n.PID
		if notify == linux.SIGEV_SIGNAL {
			signo = n.Signo
		}
	}
	q.s.mu.Unlock()
	text := "QSIZE:" + padRight(strconv.Itoa(size), 10) + " NOTIFY:" + padRight(strconv.Itoa(int(notify)), 5) +
		" SIGNO:" + padRight(strconv.Itoa(int(signo)), 5) + " NOTIFY_PID:" + padRight(strconv.Itoa(int(pid)), 6) + "\n"
	if off < 0 || off >= int64(len(text)) {
		return 0, nil
	}
	return copy(dst, text[off:]), nil
}

func padRight(s string, n int) string {
	for len(s) < n {
		s += " "
	}
	return s
}

// Seek implements vfs.Seekable.
func (m *mqFile) Seek(_ *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	return seek(cur, off, whence, mqFileSize)
}

func seek(cur, off int64, whence int, end int64) (int64, error) {
	switch whence {
	case 0:
		cur = 0
	case 1:
	case 2:
		cur = end
	default:
		return 0, linux.EINVAL
	}
	if off > math.MaxInt64-cur || cur+off < 0 {
		return 0, linux.EINVAL
	}
	return cur + off, nil
}

// Readiness implements waiter.Waitable.
func (m *mqFile) Readiness(mask waiter.Mask) waiter.Mask {
	q := m.q
	q.s.mu.Lock()
	defer q.s.mu.Unlock()
	var r waiter.Mask
	if len(q.msgs) > 0 {
		r |= waiter.Readable
	}
	if int64(len(q.msgs)) < q.maxmsg {
		r |= waiter.Writable
	}
	return r & mask
}

// EventRegister implements waiter.Waitable.
func (m *mqFile) EventRegister(e *waiter.Entry, mask waiter.Mask) { m.q.q.Register(e, mask) }

// EventUnregister implements waiter.Waitable.
func (m *mqFile) EventUnregister(e *waiter.Entry) { m.q.q.Unregister(e) }
