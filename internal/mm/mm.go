// Package mm checks what a guest asks of its address space and orders the host
// to do it. The host keeps the map itself: there is no list of mappings here,
// only what the host cannot know (the program break, names of files, System V
// attachments).
//
// Lock order:
//
//	MM.brk > MM.mu > Names.mu
//	vfs.File.posMu > MM.mu > ipc.Shms.mu
//	task.Kernel.mu > Names.mu
package mm

import (
	"sync"
	"sync/atomic"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/platform"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

const (
	pageMask = usermem.PageSize - 1
	// TaskSize is one more than the highest address of user space
	// (TASK_SIZE_MAX with four-level page tables).
	TaskSize = 1<<47 - usermem.PageSize
)

// Attachment is a System V shared memory segment; it counts the address spaces
// that have it.
type Attachment interface {
	Attached()
	Detached()
}

type attached struct {
	addr, length uint64
	seg          Attachment
}

// MM is one guest address space. Its users are the tasks that run in it.
type MM struct {
	as    platform.AddressSpace
	names *Names
	users atomic.Int32

	identified atomic.Pointer[identified]

	brk      sync.Mutex // held while the heap changes, before mu
	mu       sync.Mutex
	brkStart uint64
	brkEnd   uint64
	shm      []attached

	// Layout is set by exec, before the address space is shared.
	Layout Layout
	// Exe is the program's file; the MM holds a reference.
	Exe *vfs.File
}

// Layout tells where exec put things.
type Layout struct {
	ArgStart, ArgEnd, EnvStart, EnvEnd uint64
	StackStart, StackEnd               uint64 // of the main thread's stack
	CodeStart, CodeEnd                 uint64
	DataStart, DataEnd                 uint64
	Auxv                               []byte
}

// New returns an address space with one user.
func New(as platform.AddressSpace, names *Names) *MM {
	m := &MM{as: as, names: names}
	m.users.Store(1)
	return m
}

// AddressSpace returns the platform's object.
func (m *MM) AddressSpace() platform.AddressSpace { return m.as }

// Users returns the number of tasks in the address space.
func (m *MM) Users() int { return int(m.users.Load()) }

// AddUser adds a task.
func (m *MM) AddUser() { m.users.Add(1) }

// DecUser takes a task away and reports whether it was the last.
func (m *MM) DecUser() bool { return m.users.Add(-1) == 0 }

// Release drops what the last user leaves behind. The host frees the memory
// with the process.
func (m *MM) Release() {
	m.mu.Lock()
	shm := m.shm
	m.shm = nil
	m.mu.Unlock()
	for _, a := range shm {
		a.seg.Detached()
	}
	if m.Exe != nil {
		m.Exe.DecRef()
	}
}

// Fork returns the copy of m in the address space as.
func (m *MM) Fork(as platform.AddressSpace) *MM {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := New(as, m.names)
	n.brkStart, n.brkEnd, n.Layout, n.Exe = m.brkStart, m.brkEnd, m.Layout, m.Exe
	if n.Exe != nil {
		n.Exe.IncRef()
	}
	n.shm = append(n.shm, m.shm...)
	for _, a := range n.shm {
		a.seg.Attached()
	}
	return n
}

// checkRange rounds length up to pages and refuses ranges outside user space
// or within the platform's own. addr must be page-aligned.
func (m *MM) checkRange(addr, length uint64) (uint64, error) {
	if addr&pageMask != 0 {
		return 0, linux.EINVAL
	}
	n := (length + pageMask) &^ pageMask
	if n < length {
		return 0, linux.ENOMEM
	}
	end := addr + n
	if end < addr || end > TaskSize {
		return 0, linux.ENOMEM
	}
	if lo, hi := m.as.Reserved(); addr < hi && end > lo {
		return 0, linux.ENOMEM
	}
	return n, nil
}

// Flags of mmap(2) that are passed to the host. The rest is meaningless or
// would lock memory that limits know nothing of.
const passFlags = linux.MAP_SHARED | linux.MAP_PRIVATE | linux.MAP_FIXED | linux.MAP_ANONYMOUS | linux.MAP_32BIT |
	linux.MAP_GROWSDOWN | linux.MAP_NORESERVE | linux.MAP_POPULATE | linux.MAP_NONBLOCK | linux.MAP_STACK | linux.MAP_FIXED_NOREPLACE

// legacyFlags is LEGACY_MAP_MASK (include/linux/mman.h): what MAP_SHARED_VALIDATE
// accepts on any file.
const legacyFlags = linux.MAP_SHARED_VALIDATE | linux.MAP_FIXED | linux.MAP_ANONYMOUS | linux.MAP_DENYWRITE | linux.MAP_EXECUTABLE |
	linux.MAP_GROWSDOWN | linux.MAP_LOCKED | linux.MAP_NORESERVE | linux.MAP_POPULATE | linux.MAP_NONBLOCK | linux.MAP_STACK |
	linux.MAP_HUGETLB | linux.MAP_32BIT

// Mmap implements mmap(2). f is nil for anonymous memory; it is not consumed.
func (m *MM) Mmap(th platform.Thread, c *vfs.Context, addr, length uint64, prot, flags uint32, f *vfs.File, off uint64) (uint64, error) {
	if length == 0 || off&pageMask != 0 {
		return 0, linux.EINVAL
	}
	if length > TaskSize {
		return 0, linux.ENOMEM
	}
	prot &= linux.PROT_READ | linux.PROT_WRITE | linux.PROT_EXEC
	fixed := flags&(linux.MAP_FIXED|linux.MAP_FIXED_NOREPLACE) != 0
	if fixed {
		if _, err := m.checkRange(addr, length); err != nil {
			return 0, err
		}
	}
	kind := flags & 0xf // MAP_TYPE
	if kind != linux.MAP_SHARED && kind != linux.MAP_PRIVATE && kind != linux.MAP_SHARED_VALIDATE {
		return 0, linux.EINVAL
	}
	if kind == linux.MAP_SHARED_VALIDATE {
		if f == nil {
			return 0, linux.EINVAL
		}
		if flags&^legacyFlags != 0 {
			return 0, linux.EOPNOTSUPP
		}
	}
	shared := kind != linux.MAP_PRIVATE
	if flags&linux.MAP_HUGETLB != 0 {
		return 0, linux.ENOMEM // no huge pages are set aside
	}
	pass := uint64(flags&passFlags&^0xf | linux.MAP_PRIVATE)
	if shared {
		pass = pass&^0xf | linux.MAP_SHARED
	}
	call := platform.HostCall{Nr: linux.SYS_MMAP, Args: [6]uint64{addr, length, uint64(prot), pass, ^uint64(0), off}}
	if f == nil {
		call.Args[5] = 0
		call.Args[3] |= linux.MAP_ANONYMOUS
		return last(th, call)
	}
	if off+length < off || int64(off+length) < 0 {
		return 0, linux.EOVERFLOW
	}
	// do_mmap: a mapping needs a readable file, a shared writable one a
	// writable file.
	if !f.Readable() || shared && prot&linux.PROT_WRITE != 0 && !f.Writable() {
		return 0, linux.EACCES
	}
	if prot&linux.PROT_EXEC != 0 && f.Path.Mount != nil && f.Path.Mount.NoExec() {
		return 0, linux.EPERM
	}
	mappable, ok := f.Ops.(vfs.Mappable)
	if !ok {
		return 0, linux.ENODEV
	}
	hm, err := mappable.Mmap(c, f, int64(off), int64(length), int(prot), shared)
	if err != nil {
		return 0, err
	}
	if hm.Anonymous {
		call.Args[3] |= linux.MAP_ANONYMOUS
		call.Args[5] = 0
		return last(th, call)
	}
	call.Args[5] = uint64(hm.Offset)
	call.File, call.HasFile = hm.FD, true
	call.Same = m.Identify(f, hm)
	return last(th, call)
}

// last makes a host call that is the last step of the guest's.
func last(th platform.Thread, c platform.HostCall) (uint64, error) {
	if f, ok := th.(platform.Finisher); ok && f.CallLast(c) {
		return 0, nil
	}
	return th.Call(c)
}

// Munmap implements munmap(2).
func (m *MM) Munmap(th platform.Thread, addr, length uint64) error {
	if length == 0 {
		return linux.EINVAL
	}
	n := (length + pageMask) &^ pageMask
	if addr&pageMask != 0 || n < length || n > TaskSize || addr > TaskSize-n {
		return linux.EINVAL
	}
	// For the guest there is nothing in the platform's range.
	lo, hi := m.as.Reserved()
	if addr >= hi || addr+n <= lo {
		lo, hi = addr+n, addr+n
	}
	for _, r := range [2][2]uint64{{addr, lo}, {hi, addr + n}} {
		if r[0] < r[1] {
			if _, err := th.Call(platform.HostCall{Nr: linux.SYS_MUNMAP, Args: [6]uint64{r[0], r[1] - r[0]}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Mprotect implements mprotect(2).
func (m *MM) Mprotect(th platform.Thread, addr, length uint64, prot uint32) error {
	const grows = linux.PROT_GROWSDOWN | linux.PROT_GROWSUP
	if prot&^(linux.PROT_READ|linux.PROT_WRITE|linux.PROT_EXEC|grows) != 0 || prot&grows == grows {
		return linux.EINVAL
	}
	n, err := m.checkRange(addr, length)
	if err != nil || n == 0 {
		return err
	}
	_, err = th.Call(platform.HostCall{Nr: linux.SYS_MPROTECT, Args: [6]uint64{addr, n, uint64(prot)}})
	return err
}

// Mremap implements mremap(2).
func (m *MM) Mremap(th platform.Thread, old, oldLen, newLen uint64, flags uint32, newAddr uint64) (uint64, error) {
	if flags&^(linux.MREMAP_MAYMOVE|linux.MREMAP_FIXED|linux.MREMAP_DONTUNMAP) != 0 || newLen == 0 || newLen > TaskSize {
		return 0, linux.EINVAL
	}
	if _, err := m.checkRange(old, max(oldLen, 1)); err != nil {
		if err == linux.ENOMEM {
			err = linux.EFAULT
		}
		return 0, err
	}
	if flags&linux.MREMAP_FIXED != 0 {
		if _, err := m.checkRange(newAddr, newLen); err != nil {
			return 0, linux.EINVAL
		}
	} else {
		newAddr = 0
	}
	return th.Call(platform.HostCall{Nr: linux.SYS_MREMAP, Args: [6]uint64{old, oldLen, newLen, uint64(flags), newAddr}})
}

// RemapFilePages implements remap_file_pages(2), which only maps other pages of
// a file that is mapped shared already.
func (m *MM) RemapFilePages(th platform.Thread, addr, size uint64, prot uint32, pgoff uint64, flags uint32) (uint64, error) {
	addr &^= pageMask
	if _, err := m.checkRange(addr, size); err != nil || prot != 0 {
		return 0, linux.EINVAL
	}
	return th.Call(platform.HostCall{Nr: linux.SYS_REMAP_FILE_PAGES, Args: [6]uint64{addr, size, 0, pgoff, uint64(flags)}})
}

// RangeCall makes a call that takes a range and one more argument: madvise,
// msync, mincore, mlock.
func (m *MM) RangeCall(th platform.Thread, nr, addr, length, arg uint64) (uint64, error) {
	if _, err := m.checkRange(addr, length); err != nil {
		return 0, err
	}
	return th.Call(platform.HostCall{Nr: nr, Args: [6]uint64{addr, length, arg}})
}

// SetBrk places the program break at start, without memory.
func (m *MM) SetBrk(start uint64) {
	m.brkStart = (start + pageMask) &^ pageMask
	m.brkEnd = m.brkStart
}

// maxPopulate bounds how much of a growing heap is touched in advance.
const maxPopulate = 1 << 20

// Brk implements brk(2): it returns the break, moved to want if possible.
// limit is RLIMIT_DATA.
func (m *MM) Brk(th platform.Thread, want, limit uint64) uint64 {
	platform.Lock(th, &m.brk)
	defer m.brk.Unlock()
	start, now := m.BrkRange()
	if want < start || want > TaskSize || want-start > limit {
		return now
	}
	cur, end := (now+pageMask)&^pageMask, (want+pageMask)&^pageMask
	switch {
	case end > cur:
		if _, err := m.checkRange(cur, end-cur); err != nil {
			return now
		}
		flags := uint64(linux.MAP_PRIVATE | linux.MAP_ANONYMOUS | linux.MAP_FIXED_NOREPLACE)
		if grow := end - cur; grow <= maxPopulate && grow <= (cur-start)/2 {
			// Who has used so much will use this, and in one step it costs less.
			flags |= linux.MAP_POPULATE
		}
		_, err := th.Call(platform.HostCall{Nr: linux.SYS_MMAP, Args: [6]uint64{cur, end - cur, linux.PROT_READ | linux.PROT_WRITE,
			flags, ^uint64(0), 0}})
		if err != nil {
			return now
		}
	case end < cur:
		if _, err := th.Call(platform.HostCall{Nr: linux.SYS_MUNMAP, Args: [6]uint64{end, cur - end}}); err != nil {
			return now
		}
	}
	m.mu.Lock()
	m.brkEnd = want
	m.mu.Unlock()
	return want
}

// BrkRange returns the heap.
func (m *MM) BrkRange() (start, end uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.brkStart, m.brkEnd
}

// Attach maps a shared segment of length bytes, host descriptor fd, and counts
// the attachment.
func (m *MM) Attach(th platform.Thread, addr, length uint64, prot, flags uint32, fd int, seg Attachment) (uint64, error) {
	if flags&(linux.MAP_FIXED|linux.MAP_FIXED_NOREPLACE) != 0 {
		if _, err := m.checkRange(addr, length); err != nil {
			return 0, linux.EINVAL
		}
	}
	a, err := th.Call(platform.HostCall{
		Nr: linux.SYS_MMAP, Args: [6]uint64{addr, length, uint64(prot), uint64(flags&passFlags&^0xf | linux.MAP_SHARED), 0, 0},
		File: fd, HasFile: true,
	})
	if err != nil {
		return 0, err
	}
	seg.Attached()
	m.mu.Lock()
	m.shm = append(m.shm, attached{a, (length + pageMask) &^ pageMask, seg})
	m.mu.Unlock()
	return a, nil
}

// Detach unmaps the segment that was attached at addr; EINVAL if none was.
func (m *MM) Detach(th platform.Thread, addr uint64) error {
	m.mu.Lock()
	for i, a := range m.shm {
		if a.addr != addr {
			continue
		}
		m.shm = append(m.shm[:i], m.shm[i+1:]...)
		m.mu.Unlock()
		err := m.Munmap(th, a.addr, a.length)
		a.seg.Detached()
		return err
	}
	m.mu.Unlock()
	return linux.EINVAL
}

// ReadMaps returns the host's /proc/PID/maps of the address space.
func (m *MM) hostMaps(file string) ([]byte, error) { return host.ReadProc(m.as.HostPID(), file) }
