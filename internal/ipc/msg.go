package ipc

import (
	"slices"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/waiter"
)

// Limits of message queues, from include/uapi/linux/msg.h.
const (
	MsgMNI = 32000
	MsgMax = 8192
	MsgMNB = 16384
	// msgPool bounds the bytes in all queues together; the memory is the
	// supervisor's.
	msgPool = 64 << 20
	// msgCost stands for the overhead of a message in that.
	msgCost = 64
)

type msg struct {
	typ  int64
	data []byte
}

// msgQueue is struct msg_queue.
type msgQueue struct {
	perm
	msgs                []msg
	cbytes, qbytes      uint64
	stime, rtime, ctime int64
	lspid, lrpid        int32
	q                   waitQueue
}

// Msgs are the message queues of a name space.
type Msgs struct {
	mu    sync.Mutex
	ids   table[*msgQueue]
	bytes int
	count int
}

// Get implements msgget(2).
func (s *Msgs) Get(w Who, key int32, flags uint32) (int32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids.get(w.Cred, key, flags, MsgMNI, func(*msgQueue) error { return nil },
		func(p perm) (*msgQueue, error) {
			return &msgQueue{perm: p, qbytes: MsgMNB, ctime: now()}, nil
		})
}

func (s *Msgs) open(id int32, c *cred.Cred, access uint32) (*msgQueue, error) {
	q, err := s.ids.find(id)
	if err != nil {
		return nil, err
	}
	return q, q.check(c, access)
}

// Send implements msgsnd(2), with data already copied in.
func (s *Msgs) Send(w Who, id int32, typ int64, data []byte, flags uint32, block BlockFunc) error {
	if typ < 1 {
		return linux.EINVAL
	}
	s.mu.Lock()
	q, err := s.open(id, w.Cred, accessWrite)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	if s.send(q, w, typ, data) {
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	if flags&linux.IPC_NOWAIT != 0 {
		return linux.EAGAIN
	}
	var result error
	err = block(&q.q, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if q.deleted {
			result = linux.EIDRM
			return true
		}
		if result = q.check(w.Cred, accessWrite); result != nil {
			return true
		}
		return s.send(q, w, typ, data)
	})
	return interrupted(err, result)
}

func interrupted(err, result error) error {
	if err != nil {
		return linux.ERESTARTNOHAND
	}
	return result
}

// send appends the message if there is room.
func (s *Msgs) send(q *msgQueue, w Who, typ int64, data []byte) bool {
	if uint64(len(data))+q.cbytes > q.qbytes || uint64(len(q.msgs))+1 > q.qbytes ||
		s.bytes+s.count*msgCost+len(data) > msgPool {
		return false
	}
	q.msgs = append(q.msgs, msg{typ, data})
	q.cbytes += uint64(len(data))
	s.bytes += len(data)
	s.count++
	q.lspid, q.stime = w.PID, now()
	q.q.Notify(waiter.All)
	return true
}

// match returns the index of the message that msgrcv(2) would take, or -1.
func (q *msgQueue) match(typ int64, flags uint32) int {
	switch {
	case flags&linux.MSG_COPY != 0:
		if typ >= 0 && typ < int64(len(q.msgs)) {
			return int(typ)
		}
		return -1
	case typ == 0:
		if len(q.msgs) > 0 {
			return 0
		}
		return -1
	case typ > 0:
		except := flags&linux.MSG_EXCEPT != 0
		return slices.IndexFunc(q.msgs, func(m msg) bool { return (m.typ == typ) != except })
	}
	// The lowest type up to -typ; LONG_MIN stands for all.
	limit, best := -typ, -1
	if limit < 0 {
		limit = 1<<63 - 1
	}
	for i := range q.msgs {
		if m := &q.msgs[i]; m.typ <= limit && (best < 0 || m.typ < q.msgs[best].typ) {
			best = i
		}
	}
	return best
}

// Receive implements msgrcv(2).
func (s *Msgs) Receive(w Who, id int32, size int, typ int64, flags uint32, block BlockFunc) (int64, []byte, error) {
	if flags&linux.MSG_COPY != 0 && (flags&linux.MSG_EXCEPT != 0 || flags&linux.IPC_NOWAIT == 0) {
		return 0, nil, linux.EINVAL
	}
	s.mu.Lock()
	q, err := s.open(id, w.Cred, accessRead)
	if err != nil {
		s.mu.Unlock()
		return 0, nil, err
	}
	m, ok, err := s.receive(q, w, size, typ, flags)
	s.mu.Unlock()
	if ok || err != nil {
		return m.typ, m.data, err
	}
	if flags&linux.IPC_NOWAIT != 0 {
		return 0, nil, linux.ENOMSG
	}
	var result error
	err = block(&q.q, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if q.deleted {
			result = linux.EIDRM
			return true
		}
		if result = q.check(w.Cred, accessRead); result != nil {
			return true
		}
		m, ok, result = s.receive(q, w, size, typ, flags)
		return ok || result != nil
	})
	return m.typ, m.data, interrupted(err, result)
}

func (s *Msgs) receive(q *msgQueue, w Who, size int, typ int64, flags uint32) (m msg, ok bool, err error) {
	i := q.match(typ, flags)
	if i < 0 {
		return msg{}, false, nil
	}
	m = q.msgs[i]
	full := len(m.data)
	if size < full {
		if flags&linux.MSG_NOERROR == 0 {
			return msg{}, false, linux.E2BIG
		}
		m.data = m.data[:size]
	}
	if flags&linux.MSG_COPY != 0 {
		return m, true, nil
	}
	q.msgs = slices.Delete(q.msgs, i, i+1)
	q.cbytes -= uint64(full)
	s.bytes -= full
	s.count--
	q.lrpid, q.rtime = w.PID, now()
	q.q.Notify(waiter.All)
	return m, true, nil
}

// Remove implements IPC_RMID.
func (s *Msgs) Remove(w Who, id int32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.ids.find(id)
	if err != nil {
		return err
	}
	if !q.owned(w.Cred) {
		return linux.EPERM
	}
	s.ids.remove(q)
	s.bytes -= int(q.cbytes)
	s.count -= len(q.msgs)
	q.msgs, q.cbytes = nil, 0
	q.q.Notify(waiter.All)
	return nil
}

// Set implements IPC_SET.
func (s *Msgs) Set(w Who, id int32, ds *linux.MsqidDS) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.ids.find(id)
	if err != nil {
		return err
	}
	if !q.owned(w.Cred) || ds.Qbytes > MsgMNB && !w.Cred.Has(cred.CapSysResource) {
		return linux.EPERM
	}
	q.set(&ds.Perm)
	q.qbytes = ds.Qbytes
	q.ctime = now()
	q.q.Notify(waiter.All)
	return nil
}

// Stat implements IPC_STAT, and with byIndex MSG_STAT and MSG_STAT_ANY. The
// second result is the id.
func (s *Msgs) Stat(w Who, id int32, byIndex, anyone bool) (ds linux.MsqidDS, got int32, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	find := s.ids.find
	if byIndex {
		find = s.ids.at
	}
	q, err := find(id)
	if err != nil {
		return ds, 0, err
	}
	if !anyone {
		if err := q.check(w.Cred, accessRead); err != nil {
			return ds, 0, err
		}
	}
	ds = linux.MsqidDS{
		Perm: q.stat(), Stime: q.stime, Rtime: q.rtime, Ctime: q.ctime, Cbytes: q.cbytes,
		Qnum: uint64(len(q.msgs)), Qbytes: q.qbytes, LSPID: q.lspid, LRPID: q.lrpid,
	}
	return ds, q.id, nil
}

// Info implements IPC_INFO and, with used set, MSG_INFO. The second result is
// the highest index.
func (s *Msgs) Info(used bool) (linux.MsgInfo, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := linux.MsgInfo{
		Msgpool: MsgMNI * MsgMNB / 1024, Msgmap: MsgMNB, Msgmax: MsgMax, Msgmnb: MsgMNB, Msgmni: MsgMNI,
		Msgssz: 16, Msgtql: MsgMNB, Msgseg: 0xffff,
	}
	if used {
		i.Msgpool, i.Msgmap, i.Msgtql = int32(s.ids.used), int32(s.count), int32(s.bytes)
	}
	return i, s.ids.max()
}
