package ipc

import (
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/waiter"
)

// Limits of semaphores, from include/uapi/linux/sem.h.
const (
	SemMNI = 32000
	SemMSL = 32000
	SemOPM = 500
	SemVMX = 32767
	SemAEM = SemVMX
	// SemMNS bounds the memory of all sets; Linux would allow SemMNI*SemMSL.
	SemMNS = 1 << 21
)

type sem struct {
	val int32
	pid int32 // of the last operation
}

// semSet is struct sem_array.
type semSet struct {
	perm
	sems         []sem
	otime, ctime int64
	waiting      map[*semWait]struct{}
	undos        map[*Undo]struct{}
	q            waitQueue
}

// semWait is an operation that sleeps: on which semaphore, and for zero or for
// an increase.
type semWait struct {
	num  uint16
	zero bool
}

// Sems are the semaphore sets of a name space.
type Sems struct {
	mu    sync.Mutex
	ids   table[*semSet]
	total int
}

// Undo is the SEM_UNDO list of one process. The zero value is empty. It is
// guarded by the lock of the Sems that it is used with.
type Undo struct {
	adj map[*semSet]map[uint16]int32
}

// Get implements semget(2).
func (s *Sems) Get(w Who, key int32, n int32, flags uint32) (int32, error) {
	if n < 0 || n > SemMSL {
		return 0, linux.EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids.get(w.Cred, key, flags, SemMNI, func(set *semSet) error {
		if int(n) > len(set.sems) {
			return linux.EINVAL
		}
		return nil
	}, func(p perm) (*semSet, error) {
		if n == 0 {
			return nil, linux.EINVAL
		}
		if s.total+int(n) > SemMNS {
			return nil, linux.ENOSPC
		}
		s.total += int(n)
		return &semSet{perm: p, sems: make([]sem, n), ctime: now()}, nil
	})
}

// try is perform_atomic_semop: it does all of ops, or none. wait is not nil if
// it must wait.
func (set *semSet) try(w Who, undo *Undo, ops []linux.Sembuf) (wait *semWait, err error) {
	done := 0
	for i := range ops {
		op := &ops[i]
		v := &set.sems[op.Num].val
		if op.Op == 0 {
			if *v != 0 {
				wait = &semWait{op.Num, true}
			}
		} else {
			switch n := *v + int32(op.Op); {
			case n < 0:
				wait = &semWait{op.Num, false}
			case n > SemVMX:
				err = linux.ERANGE
			default:
				*v = n
			}
			if wait == nil && err == nil && op.Flg&linux.SEM_UNDO != 0 {
				if a := undo.adj[set][op.Num] - int32(op.Op); a < -SemAEM-1 || a > SemAEM {
					*v -= int32(op.Op)
					err = linux.ERANGE
				} else {
					undo.store(set, op.Num, a)
				}
			}
		}
		if wait != nil && op.Flg&linux.IPC_NOWAIT != 0 {
			wait, err = nil, linux.EAGAIN
		}
		if wait != nil || err != nil {
			break
		}
		done++
	}
	if done == len(ops) {
		for i := range ops {
			set.sems[ops[i].Num].pid = w.PID
		}
		set.otime = now()
		return nil, nil
	}
	for i := done - 1; i >= 0; i-- {
		op := &ops[i]
		set.sems[op.Num].val -= int32(op.Op)
		if op.Op != 0 && op.Flg&linux.SEM_UNDO != 0 {
			undo.store(set, op.Num, undo.adj[set][op.Num]+int32(op.Op))
		}
	}
	return wait, err
}

func (u *Undo) store(set *semSet, num uint16, a int32) {
	if a == 0 {
		delete(u.adj[set], num)
		return
	}
	if u.adj == nil {
		u.adj = make(map[*semSet]map[uint16]int32)
	}
	if u.adj[set] == nil {
		u.adj[set] = make(map[uint16]int32)
	}
	u.adj[set][num] = a
	if set.undos == nil {
		set.undos = make(map[*Undo]struct{})
	}
	set.undos[u] = struct{}{}
}

// Op implements semtimedop(2). block's deadline is the call's. An interrupted
// or timed-out wait is linux.EINTR or linux.EAGAIN.
func (s *Sems) Op(w Who, undo *Undo, id int32, ops []linux.Sembuf, block BlockFunc) error {
	s.mu.Lock()
	set, err := s.ids.find(id)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	access := uint32(accessRead)
	for i := range ops {
		if int(ops[i].Num) >= len(set.sems) {
			s.mu.Unlock()
			return linux.EFBIG
		}
		if ops[i].Op != 0 {
			access = accessWrite
		}
	}
	if err := set.check(w.Cred, access); err != nil {
		s.mu.Unlock()
		return err
	}
	wait, err := set.try(w, undo, ops)
	if wait == nil {
		s.mu.Unlock()
		if err == nil && access == accessWrite {
			set.q.Notify(waiter.All)
		}
		return err
	}
	if set.waiting == nil {
		set.waiting = make(map[*semWait]struct{})
	}
	set.waiting[wait] = struct{}{}
	s.mu.Unlock()
	var result error
	err = block(&set.q, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if set.deleted {
			result = linux.EIDRM
			return true
		}
		var next *semWait
		if next, result = set.try(w, undo, ops); next != nil {
			*wait = *next
			return false
		}
		return true
	})
	s.mu.Lock()
	delete(set.waiting, wait)
	s.mu.Unlock()
	switch {
	case err == linux.ETIMEDOUT:
		return linux.EAGAIN
	case err != nil:
		return linux.EINTR
	}
	if result == nil && access == accessWrite {
		set.q.Notify(waiter.All)
	}
	return result
}

// Exit applies and empties a process's undo list (exit_sem).
func (s *Sems) Exit(pid int32, undo *Undo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for set, adj := range undo.adj {
		for num, a := range adj {
			sm := &set.sems[num]
			sm.val = max(0, min(SemVMX, sm.val+a))
			sm.pid = pid
		}
		set.otime = now()
		delete(set.undos, undo)
		set.q.Notify(waiter.All)
	}
	undo.adj = nil
}

// forget drops all undo adjustments of num, or of the whole set if it is
// negative.
func (set *semSet) forget(num int) {
	for u := range set.undos {
		if num >= 0 {
			delete(u.adj[set], uint16(num))
		} else {
			delete(u.adj, set)
		}
	}
	if num < 0 {
		set.undos = nil
	}
}

// Remove implements IPC_RMID.
func (s *Sems) Remove(w Who, id int32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, err := s.ids.find(id)
	if err != nil {
		return err
	}
	if !set.owned(w.Cred) {
		return linux.EPERM
	}
	set.forget(-1)
	s.ids.remove(set)
	s.total -= len(set.sems)
	set.q.Notify(waiter.All)
	return nil
}

// SetPerm implements IPC_SET.
func (s *Sems) SetPerm(w Who, id int32, p *linux.IPCPerm) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, err := s.ids.find(id)
	if err != nil {
		return err
	}
	if !set.owned(w.Cred) {
		return linux.EPERM
	}
	set.set(p)
	set.ctime = now()
	return nil
}

// Stat implements IPC_STAT, and with byIndex SEM_STAT and SEM_STAT_ANY. The
// second result is the id.
func (s *Sems) Stat(w Who, id int32, byIndex, anyone bool) (ds linux.SemidDS, got int32, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	find := s.ids.find
	if byIndex {
		find = s.ids.at
	}
	set, err := find(id)
	if err != nil {
		return ds, 0, err
	}
	if !anyone {
		if err := set.check(w.Cred, accessRead); err != nil {
			return ds, 0, err
		}
	}
	ds.Perm, ds.Otime, ds.Ctime, ds.Nsems = set.stat(), set.otime, set.ctime, uint64(len(set.sems))
	return ds, set.id, nil
}

// Info implements IPC_INFO and, with used set, SEM_INFO. The second result is
// the highest index.
func (s *Sems) Info(used bool) (linux.SemInfo, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := linux.SemInfo{
		Semmap: SemMNS, Semmni: SemMNI, Semmns: SemMNS, Semmnu: SemMNS, Semmsl: SemMSL, Semopm: SemOPM,
		Semume: SemOPM, Semusz: 20, Semvmx: SemVMX, Semaem: SemAEM,
	}
	if used {
		i.Semusz, i.Semaem = int32(s.ids.used), int32(s.total)
	}
	return i, s.ids.max()
}

// with runs f on the set, which w may access so.
func (s *Sems) with(c *cred.Cred, id int32, access uint32, f func(*semSet) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	set, err := s.ids.find(id)
	if err != nil {
		return err
	}
	if err := set.check(c, access); err != nil {
		return err
	}
	return f(set)
}

// One implements GETVAL, GETPID, GETNCNT and GETZCNT.
func (s *Sems) One(w Who, id, num, cmd int32) (uint64, error) {
	n := uint64(0)
	err := s.with(w.Cred, id, accessRead, func(set *semSet) error {
		if num < 0 || int(num) >= len(set.sems) {
			return linux.EINVAL
		}
		switch cmd {
		case linux.GETVAL:
			n = uint64(set.sems[num].val)
		case linux.GETPID:
			n = uint64(set.sems[num].pid)
		default:
			for x := range set.waiting {
				if int32(x.num) == num && x.zero == (cmd == linux.GETZCNT) {
					n++
				}
			}
		}
		return nil
	})
	return n, err
}

// SetVal implements SETVAL.
func (s *Sems) SetVal(w Who, id, num, val int32) error {
	if val < 0 || val > SemVMX {
		return linux.ERANGE
	}
	return s.with(w.Cred, id, accessWrite, func(set *semSet) error {
		if num < 0 || int(num) >= len(set.sems) {
			return linux.EINVAL
		}
		set.forget(int(num))
		set.sems[num] = sem{val, w.PID}
		set.ctime = now()
		set.q.Notify(waiter.All)
		return nil
	})
}

// GetAll implements GETALL.
func (s *Sems) GetAll(w Who, id int32) (vals []uint16, err error) {
	err = s.with(w.Cred, id, accessRead, func(set *semSet) error {
		vals = make([]uint16, len(set.sems))
		for i := range set.sems {
			vals[i] = uint16(set.sems[i].val)
		}
		return nil
	})
	return vals, err
}

// SetAll implements SETALL; read gets as many values as the set has.
func (s *Sems) SetAll(w Who, id int32, read func([]uint16) error) error {
	var vals []uint16
	err := s.with(w.Cred, id, accessWrite, func(set *semSet) error {
		vals = make([]uint16, len(set.sems))
		return nil
	})
	if err != nil {
		return err
	}
	if err := read(vals); err != nil {
		return err
	}
	for _, v := range vals {
		if v > SemVMX {
			return linux.ERANGE
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	set, err := s.ids.find(id)
	if err != nil || len(set.sems) != len(vals) {
		return linux.EIDRM
	}
	for i, v := range vals {
		set.sems[i] = sem{int32(v), w.PID}
	}
	for u := range set.undos {
		delete(u.adj, set)
	}
	set.undos = nil
	set.ctime = now()
	set.q.Notify(waiter.All)
	return nil
}
