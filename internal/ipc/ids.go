// Package ipc implements System V shared memory, semaphores and message queues
// and POSIX message queues, for one IPC name space.
//
// Each kind has one lock for its table and all its objects. Callers' ready
// functions, which take it, run with no queue locked.
//
// Lock order:
//
//	vfs.VFS.mountMu, vfs.directory.opMu, vfs.File.posMu, epoll.Instance.mtx > Queues.mu
//	Queues.mu, Sems.mu, Msgs.mu > waiter.Queue.mu
//	Queues.mu > task.Kernel.mu (a notification's signal)
//	Shms.mu
package ipc

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/waiter"
)

// Namespace is one IPC name space.
type Namespace struct {
	Shm Shms
	Sem Sems
	Msg Msgs
	MQ  *Queues
}

// NewNamespace returns an empty name space.
func NewNamespace() *Namespace { return &Namespace{MQ: NewQueues()} }

// Who acts.
type Who struct {
	PID  int32 // of the thread group
	Cred *cred.Cred
}

// BlockFunc waits on w until ready returns true; linux.ETIMEDOUT or
// linux.ERESTARTSYS otherwise.
type BlockFunc func(w waiter.Waitable, ready func() bool) error

// waitQueue is a waiter.Waitable for objects that have no readiness of their
// own.
type waitQueue struct{ waiter.Queue }

func (*waitQueue) Readiness(mask waiter.Mask) waiter.Mask            { return 0 }
func (q *waitQueue) EventRegister(e *waiter.Entry, mask waiter.Mask) { q.Register(e, mask) }
func (q *waitQueue) EventUnregister(e *waiter.Entry)                 { q.Unregister(e) }

func now() int64 { return time.Now().Unix() }

// perm is struct kern_ipc_perm.
type perm struct {
	key                  int32
	id                   int32
	uid, gid, cuid, cgid uint32
	mode                 uint32
	deleted              bool
}

func (p *perm) base() *perm { return p }

type object interface {
	comparable
	base() *perm
}

// check is ipcperms in ipc/util.c; flag holds the access wanted in any of the
// three groups of mode bits.
func (p *perm) check(c *cred.Cred, flag uint32) error {
	want, have := flag>>6|flag>>3|flag, p.mode
	switch {
	case c.EUID == p.cuid || c.EUID == p.uid:
		have >>= 6
	case c.InGroup(p.cgid) || c.InGroup(p.gid):
		have >>= 3
	}
	if want&^have&7 != 0 && !c.Has(cred.CapIpcOwner) {
		return linux.EACCES
	}
	return nil
}

// Access that check takes.
const (
	accessRead  = 0o444
	accessWrite = 0o222
)

// owned reports whether c may remove and change the object.
func (p *perm) owned(c *cred.Cred) bool {
	return c.EUID == p.cuid || c.EUID == p.uid || c.Has(cred.CapSysAdmin)
}

func (p *perm) set(n *linux.IPCPerm) {
	p.uid, p.gid = n.UID, n.GID
	p.mode = p.mode&^0o777 | n.Mode&0o777
}

func (p *perm) stat() linux.IPCPerm {
	return linux.IPCPerm{
		Key: p.key, UID: p.uid, GID: p.gid, CUID: p.cuid, CGID: p.cgid,
		Mode: p.mode, Seq: uint16(p.id >> idShift),
	}
}

const (
	idShift = 15 // IPCMNI_SHIFT
	idMask  = 1<<idShift - 1
	seqMax  = 1<<(31-idShift) - 1
)

// table is struct ipc_ids.
type table[T object] struct {
	objs  []T // by index; nil where free
	byKey map[int32]T
	used  int
	seq   int32
	last  int // index last given, plus one
}

// get implements the get calls: it finds the object of key or makes one.
// found is called to check a found one.
func (t *table[T]) get(c *cred.Cred, key int32, flags uint32, limit int, found func(T) error, create func(perm) (T, error)) (int32, error) {
	if key != linux.IPC_PRIVATE {
		if o, ok := t.byKey[key]; ok {
			if flags&(linux.IPC_CREAT|linux.IPC_EXCL) == linux.IPC_CREAT|linux.IPC_EXCL {
				return 0, linux.EEXIST
			}
			if err := found(o); err != nil {
				return 0, err
			}
			return o.base().id, o.base().check(c, flags)
		}
		if flags&linux.IPC_CREAT == 0 {
			return 0, linux.ENOENT
		}
	}
	if t.used >= limit {
		return 0, linux.ENOSPC
	}
	var none T
	idx := 0
	for idx < len(t.objs) && t.objs[idx] != none {
		idx++
	}
	o, err := create(perm{key: key, uid: c.EUID, gid: c.EGID, cuid: c.EUID, cgid: c.EGID, mode: flags & 0o777})
	if err != nil {
		return 0, err
	}
	// ipc_idr_alloc: an index that comes again gets a new sequence number.
	if idx < t.last {
		if t.seq++; t.seq >= seqMax {
			t.seq = 0
		}
	}
	t.last = idx + 1
	o.base().id = t.seq<<idShift | int32(idx)
	if idx == len(t.objs) {
		t.objs = append(t.objs, o)
	} else {
		t.objs[idx] = o
	}
	t.used++
	if key != linux.IPC_PRIVATE {
		if t.byKey == nil {
			t.byKey = make(map[int32]T)
		}
		t.byKey[key] = o
	}
	return o.base().id, nil
}

// find returns the object of id.
func (t *table[T]) find(id int32) (T, error) {
	var none T
	idx := int(id & idMask)
	if id < 0 || idx >= len(t.objs) || t.objs[idx] == none || t.objs[idx].base().id != id {
		return none, linux.EINVAL
	}
	return t.objs[idx], nil
}

// at returns the object of index idx, for the STAT commands.
func (t *table[T]) at(idx int32) (T, error) {
	var none T
	if idx < 0 || int(idx&idMask) >= len(t.objs) || t.objs[idx&idMask] == none {
		return none, linux.EINVAL
	}
	return t.objs[idx&idMask], nil
}

// max is the highest index in use, 0 if none (what the INFO commands return).
func (t *table[T]) max() uint64 {
	return uint64(max(0, len(t.objs)-1)) // remove keeps the last one in use
}

// unkey makes the object unfindable by key, remove frees its index too.
func (t *table[T]) unkey(o T) {
	if p := o.base(); p.key != linux.IPC_PRIVATE {
		delete(t.byKey, p.key)
		p.key = linux.IPC_PRIVATE
	}
}

func (t *table[T]) remove(o T) {
	t.unkey(o)
	var none T
	o.base().deleted = true
	t.objs[o.base().id&idMask] = none
	for len(t.objs) > 0 && t.objs[len(t.objs)-1] == none {
		t.objs = t.objs[:len(t.objs)-1]
	}
	t.used--
}
