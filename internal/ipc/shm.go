package ipc

import (
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/host"
)

// Limits of shared memory, from include/uapi/linux/shm.h.
const (
	ShmMNI = 4096
	ShmMin = 1
	ShmMax = 1<<64 - 1 - 1<<24
	ShmAll = 1<<64 - 1 - 1<<24
)

const pageSize = 4096

// Segment is a shared memory segment: a memfd. It implements mm.Attachment.
type Segment struct {
	perm
	s                   *Shms
	size                uint64
	fd                  int
	nattch              uint64
	atime, dtime, ctime int64
	cpid, lpid          int32
}

// Shms are the segments of a name space.
type Shms struct {
	mu    sync.Mutex
	ids   table[*Segment]
	pages uint64
}

// Get implements shmget(2).
func (s *Shms) Get(w Who, key int32, size uint64, flags uint32) (int32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ids.get(w.Cred, key, flags, ShmMNI, func(g *Segment) error {
		if size > g.size {
			return linux.EINVAL
		}
		return nil
	}, func(p perm) (*Segment, error) {
		if size < ShmMin || size > ShmMax {
			return nil, linux.EINVAL
		}
		if flags&linux.SHM_HUGETLB != 0 {
			return nil, linux.ENOMEM // no huge pages are set aside
		}
		pages := (size + pageSize - 1) / pageSize
		if s.pages+pages < s.pages || s.pages+pages > ShmAll {
			return nil, linux.ENOSPC
		}
		if int64(pages*pageSize) < 0 || pages > 1<<51 {
			return nil, linux.ENOMEM
		}
		fd, err := host.MemfdCreate("SYSV")
		if err != nil {
			return nil, linux.ENOSPC
		}
		if err := host.Truncate(fd, int64(pages*pageSize)); err != nil {
			host.Close(fd)
			return nil, linux.ENOMEM
		}
		s.pages += pages
		return &Segment{perm: p, s: s, size: size, fd: fd, ctime: now(), cpid: w.PID}, nil
	})
}

// Attach lets w map segment id: mapping is called with its host descriptor and
// size, and must call g.Attached for each mapping made.
func (s *Shms) Attach(w Who, id int32, flags uint32, mapping func(g *Segment, fd int, size uint64) error) error {
	access := uint32(accessRead | accessWrite)
	if flags&linux.SHM_RDONLY != 0 {
		access = accessRead
	}
	if flags&linux.SHM_EXEC != 0 {
		access |= 0o111
	}
	s.mu.Lock()
	g, err := s.ids.find(id)
	if err == nil {
		err = g.check(w.Cred, access)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	g.nattch++ // keeps it while it is being mapped
	s.mu.Unlock()
	err = mapping(g, g.fd, g.size)
	s.mu.Lock()
	if err == nil {
		g.lpid = w.PID
	}
	g.drop()
	s.mu.Unlock()
	return err
}

// Attached counts one more address space that maps g.
func (g *Segment) Attached() {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	g.nattch++
	g.atime = now()
}

// Detached undoes Attached; a segment marked for removal goes with the last.
func (g *Segment) Detached() {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	g.dtime = now()
	g.drop()
}

func (g *Segment) drop() {
	if g.nattch--; g.nattch == 0 && g.mode&linux.SHM_DEST != 0 {
		g.destroy()
	}
}

func (g *Segment) destroy() {
	g.s.ids.remove(g)
	g.s.pages -= (g.size + pageSize - 1) / pageSize
	host.Close(g.fd)
}

// SetLastPID notes who detached last.
func (g *Segment) SetLastPID(pid int32) {
	g.s.mu.Lock()
	g.lpid = pid
	g.s.mu.Unlock()
}

// Remove implements IPC_RMID.
func (s *Shms) Remove(w Who, id int32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.ids.find(id)
	if err != nil {
		return err
	}
	if !g.owned(w.Cred) {
		return linux.EPERM
	}
	if g.nattch == 0 {
		g.destroy()
		return nil
	}
	g.mode |= linux.SHM_DEST
	s.ids.unkey(g)
	return nil
}

// SetPerm implements IPC_SET.
func (s *Shms) SetPerm(w Who, id int32, p *linux.IPCPerm) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.ids.find(id)
	if err != nil {
		return err
	}
	if !g.owned(w.Cred) {
		return linux.EPERM
	}
	g.set(p)
	g.ctime = now()
	return nil
}

// Lock implements SHM_LOCK and SHM_UNLOCK, of which only the flag remains.
func (s *Shms) Lock(w Who, id int32, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.ids.find(id)
	if err != nil {
		return err
	}
	if !w.Cred.Has(cred.CapIpcLock) && w.Cred.EUID != g.uid && w.Cred.EUID != g.cuid {
		return linux.EPERM
	}
	g.mode &^= linux.SHM_LOCKED
	if on {
		g.mode |= linux.SHM_LOCKED
	}
	return nil
}

// Stat implements IPC_STAT, and with byIndex SHM_STAT and SHM_STAT_ANY. The
// second result is the id.
func (s *Shms) Stat(w Who, id int32, byIndex, anyone bool) (ds linux.ShmidDS, got int32, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	find := s.ids.find
	if byIndex {
		find = s.ids.at
	}
	g, err := find(id)
	if err != nil {
		return ds, 0, err
	}
	if !anyone {
		if err := g.check(w.Cred, accessRead); err != nil {
			return ds, 0, err
		}
	}
	ds = linux.ShmidDS{
		Perm: g.stat(), Segsz: g.size, Atime: g.atime, Dtime: g.dtime, Ctime: g.ctime,
		CPID: g.cpid, LPID: g.lpid, Nattch: g.nattch,
	}
	return ds, g.id, nil
}

// Limits implements IPC_INFO; the second result is the highest index.
func (s *Shms) Limits() (linux.ShmInfoLimits, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return linux.ShmInfoLimits{Shmmax: ShmMax, Shmmin: ShmMin, Shmmni: ShmMNI, Shmseg: ShmMNI, Shmall: ShmAll}, s.ids.max()
}

// Info implements SHM_INFO.
func (s *Shms) Info() (linux.ShmInfo, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := linux.ShmInfo{UsedIDs: int32(s.ids.used), Tot: s.pages}
	for _, g := range s.ids.objs {
		if g != nil {
			i.RSS += host.Resident(g.fd) / pageSize
		}
	}
	return i, s.ids.max()
}

// Release frees what is left when the sandbox ends.
func (s *Shms) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.ids.objs {
		if g != nil && g.nattch == 0 {
			g.destroy()
		}
	}
}
