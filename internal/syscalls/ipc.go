package syscalls

import (
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/ipc"
	"sentinel/internal/ktime"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/waiter"
)

// ipcState is the IPC name space of a sandbox with the undo lists of its
// processes.
type ipcState struct {
	*ipc.Namespace
	once sync.Once

	mu    sync.Mutex
	undos map[*task.ThreadGroup]*ipc.Undo
}

type ipcKey struct{}

// IPC returns the IPC name space of a kernel.
func IPC(k *task.Kernel) *ipc.Namespace { return ipcOf(k).Namespace }

func ipcOf(k *task.Kernel) *ipcState {
	s := k.Ext(ipcKey{}, func() any {
		return &ipcState{Namespace: ipc.NewNamespace(), undos: map[*task.ThreadGroup]*ipc.Undo{}}
	}).(*ipcState)
	s.once.Do(func() { k.OnGroupExit(s.exit) })
	return s
}

// exit undoes the semaphore operations of a process.
func (s *ipcState) exit(g *task.ThreadGroup) {
	s.mu.Lock()
	u := s.undos[g]
	delete(s.undos, g)
	s.mu.Unlock()
	if u != nil {
		s.Sem.Exit(g.PID(), u)
	}
}

func (s *ipcState) undo(t *task.Task) *ipc.Undo {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.undos[t.ThreadGroup()]
	if u == nil {
		u = &ipc.Undo{}
		s.undos[t.ThreadGroup()] = u
	}
	return u
}

func who(t *task.Task) ipc.Who { return ipc.Who{PID: t.PID(), Cred: t.Cred()} }

// blocker returns an ipc.BlockFunc of t; the zero deadline is none.
func blocker(t *task.Task, deadline time.Time) ipc.BlockFunc {
	return func(w waiter.Waitable, ready func() bool) error {
		return t.BlockUntil(w, waiter.All, deadline, ready)
	}
}

// sysShmget implements shmget(2).
func sysShmget(t *task.Task, key int32, size uint64, flags uint32) (uint64, error) {
	id, err := ipcOf(t.Kernel()).Shm.Get(who(t), key, size, flags)
	return uint64(id), err
}

// sysShmat implements shmat(2).
func sysShmat(t *task.Task, id int32, addr uint64, flags uint32) (ret uint64, err error) {
	prot := uint32(linux.PROT_READ | linux.PROT_WRITE)
	if flags&linux.SHM_RDONLY != 0 {
		prot = linux.PROT_READ
	}
	if flags&linux.SHM_EXEC != 0 {
		prot |= linux.PROT_EXEC
	}
	mapFlags := uint32(linux.MAP_SHARED)
	if addr != 0 {
		if addr%linux.SHMLBA != 0 {
			if flags&linux.SHM_RND == 0 {
				return 0, linux.EINVAL
			}
			addr -= addr % linux.SHMLBA
			if addr == 0 && flags&linux.SHM_REMAP != 0 {
				return 0, linux.EINVAL
			}
		}
		// do_shmat: without SHM_REMAP an overlap is EINVAL.
		mapFlags |= linux.MAP_FIXED_NOREPLACE
		if flags&linux.SHM_REMAP != 0 {
			mapFlags = linux.MAP_SHARED | linux.MAP_FIXED
		}
	} else if flags&linux.SHM_REMAP != 0 {
		return 0, linux.EINVAL
	}
	err = ipcOf(t.Kernel()).Shm.Attach(who(t), id, flags, func(g *ipc.Segment, fd int, size uint64) error {
		var err error
		if flags&linux.SHM_RDONLY != 0 {
			// Neither mprotect nor a hostile stub must make it writable.
			if fd, err = host.Reopen(fd, linux.O_RDONLY); err != nil {
				return linux.ENFILE
			}
			defer host.Close(fd)
		}
		ret, err = t.MM().Attach(t.Thread(), addr, size, prot, mapFlags, fd, g)
		if err == linux.EEXIST {
			err = linux.EINVAL
		}
		return err
	})
	return ret, err
}

// sysShmdt implements shmdt(2).
func sysShmdt(t *task.Task, addr uint64) (uint64, error) {
	if addr%linux.SHMLBA != 0 {
		return 0, linux.EINVAL
	}
	return 0, t.MM().Detach(t.Thread(), addr)
}

// sysShmctl implements shmctl(2).
func sysShmctl(t *task.Task, id int32, cmd uint32, buf uint64) (uint64, error) {
	s := &ipcOf(t.Kernel()).Shm
	if int32(cmd) < 0 || id < 0 {
		return 0, linux.EINVAL
	}
	switch cmd {
	case linux.IPC_INFO:
		info, top := s.Limits()
		return top, usermem.CopyOutObjectLast(t.Mem(), buf, &info)
	case linux.SHM_INFO:
		info, top := s.Info()
		return top, usermem.CopyOutObjectLast(t.Mem(), buf, &info)
	case linux.IPC_STAT, linux.SHM_STAT, linux.SHM_STAT_ANY:
		ds, got, err := s.Stat(who(t), id, cmd != linux.IPC_STAT, cmd == linux.SHM_STAT_ANY)
		if err != nil {
			return 0, err
		}
		if cmd == linux.IPC_STAT {
			got = 0
		}
		return uint64(got), usermem.CopyOutObjectLast(t.Mem(), buf, &ds)
	case linux.IPC_SET:
		var ds linux.ShmidDS
		if err := usermem.CopyInObject(t.Mem(), buf, &ds); err != nil {
			return 0, err
		}
		return 0, s.SetPerm(who(t), id, &ds.Perm)
	case linux.IPC_RMID:
		return 0, s.Remove(who(t), id)
	case linux.SHM_LOCK, linux.SHM_UNLOCK:
		return 0, s.Lock(who(t), id, cmd == linux.SHM_LOCK)
	}
	return 0, linux.EINVAL
}

// sysSemget implements semget(2).
func sysSemget(t *task.Task, key, n int32, flags uint32) (uint64, error) {
	id, err := ipcOf(t.Kernel()).Sem.Get(who(t), key, n, flags)
	return uint64(id), err
}

// sysSemop implements semop(2).
func sysSemop(t *task.Task, id int32, ops, n uint64) (uint64, error) {
	return sysSemtimedop(t, id, ops, n, 0)
}

// sysSemtimedop implements semtimedop(2).
func sysSemtimedop(t *task.Task, id int32, ops, n, timeout uint64) (uint64, error) {
	var deadline time.Time
	if timeout != 0 {
		d, err := copyInTimespec(t, timeout)
		if err != nil {
			return 0, err
		}
		deadline = ktime.Deadline(d)
	}
	if n < 1 || id < 0 {
		return 0, linux.EINVAL
	}
	if n > ipc.SemOPM {
		return 0, linux.E2BIG
	}
	sops := make([]linux.Sembuf, n)
	if err := usermem.CopyInSlice(t.Mem(), ops, sops); err != nil {
		return 0, err
	}
	s := ipcOf(t.Kernel())
	undo := &ipc.Undo{}
	for i := range sops {
		if sops[i].Flg&linux.SEM_UNDO != 0 {
			undo = s.undo(t)
			break
		}
	}
	return 0, s.Sem.Op(who(t), undo, id, sops, blocker(t, deadline))
}

// sysSemctl implements semctl(2).
func sysSemctl(t *task.Task, id, num int32, cmd uint32, arg uint64) (uint64, error) {
	s := &ipcOf(t.Kernel()).Sem
	if id < 0 {
		return 0, linux.EINVAL
	}
	switch cmd {
	case linux.IPC_INFO, linux.SEM_INFO:
		info, top := s.Info(cmd == linux.SEM_INFO)
		return top, usermem.CopyOutObjectLast(t.Mem(), arg, &info)
	case linux.IPC_STAT, linux.SEM_STAT, linux.SEM_STAT_ANY:
		ds, got, err := s.Stat(who(t), id, cmd != linux.IPC_STAT, cmd == linux.SEM_STAT_ANY)
		if err != nil {
			return 0, err
		}
		if cmd == linux.IPC_STAT {
			got = 0
		}
		return uint64(got), usermem.CopyOutObjectLast(t.Mem(), arg, &ds)
	case linux.GETVAL, linux.GETPID, linux.GETNCNT, linux.GETZCNT:
		return s.One(who(t), id, num, int32(cmd))
	case linux.GETALL:
		vals, err := s.GetAll(who(t), id)
		if err != nil {
			return 0, err
		}
		return 0, usermem.CopyOutSlice(t.Mem(), arg, vals)
	case linux.SETALL:
		return 0, s.SetAll(who(t), id, func(vals []uint16) error { return usermem.CopyInSlice(t.Mem(), arg, vals) })
	case linux.SETVAL:
		return 0, s.SetVal(who(t), id, num, int32(arg))
	case linux.IPC_SET:
		var ds linux.SemidDS
		if err := usermem.CopyInObject(t.Mem(), arg, &ds); err != nil {
			return 0, err
		}
		return 0, s.SetPerm(who(t), id, &ds.Perm)
	case linux.IPC_RMID:
		return 0, s.Remove(who(t), id)
	}
	return 0, linux.EINVAL
}

// sysMsgget implements msgget(2).
func sysMsgget(t *task.Task, key int32, flags uint32) (uint64, error) {
	id, err := ipcOf(t.Kernel()).Msg.Get(who(t), key, flags)
	return uint64(id), err
}

// sysMsgsnd implements msgsnd(2). A message is a type followed by its bytes.
func sysMsgsnd(t *task.Task, id int32, addr, size uint64, flags uint32) (uint64, error) {
	var typ int64
	if err := usermem.CopyInObject(t.Mem(), addr, &typ); err != nil {
		return 0, err
	}
	if size > ipc.MsgMax || id < 0 || typ < 1 {
		return 0, linux.EINVAL
	}
	data, err := usermem.CopyInBytes(t.Mem(), addr+8, int(size))
	if err != nil {
		return 0, err
	}
	return 0, ipcOf(t.Kernel()).Msg.Send(who(t), id, typ, data, flags, blocker(t, time.Time{}))
}

// sysMsgrcv implements msgrcv(2).
func sysMsgrcv(t *task.Task, id int32, addr, size uint64, typ int64, flags uint32) (uint64, error) {
	if id < 0 || int64(size) < 0 {
		return 0, linux.EINVAL
	}
	limit := int(min(size, ipc.MsgMax+1))
	got, data, err := ipcOf(t.Kernel()).Msg.Receive(who(t), id, limit, typ, flags, blocker(t, time.Time{}))
	if err != nil {
		return 0, err
	}
	if err := usermem.CopyOutObject(t.Mem(), addr, &got); err != nil {
		return 0, err
	}
	if len(data) > 0 {
		if _, err := t.Mem().CopyOut(addr+8, data); err != nil {
			return 0, err
		}
	}
	return uint64(len(data)), nil
}

// sysMsgctl implements msgctl(2).
func sysMsgctl(t *task.Task, id int32, cmd uint32, buf uint64) (uint64, error) {
	s := &ipcOf(t.Kernel()).Msg
	if int32(cmd) < 0 || id < 0 {
		return 0, linux.EINVAL
	}
	switch cmd {
	case linux.IPC_INFO, linux.MSG_INFO:
		info, top := s.Info(cmd == linux.MSG_INFO)
		return top, usermem.CopyOutObjectLast(t.Mem(), buf, &info)
	case linux.IPC_STAT, linux.MSG_STAT, linux.MSG_STAT_ANY:
		ds, got, err := s.Stat(who(t), id, cmd != linux.IPC_STAT, cmd == linux.MSG_STAT_ANY)
		if err != nil {
			return 0, err
		}
		if cmd == linux.IPC_STAT {
			got = 0
		}
		return uint64(got), usermem.CopyOutObjectLast(t.Mem(), buf, &ds)
	case linux.IPC_SET:
		var ds linux.MsqidDS
		if err := usermem.CopyInObject(t.Mem(), buf, &ds); err != nil {
			return 0, err
		}
		return 0, s.Set(who(t), id, &ds)
	case linux.IPC_RMID:
		return 0, s.Remove(who(t), id)
	}
	return 0, linux.EINVAL
}
