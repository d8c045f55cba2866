package trap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// region is the memory that a guest process shares with the supervisor, as the
// supervisor has it mapped.
type region struct {
	mem []byte
	fd  int
}

// newRegion makes one. The descriptor is closed once the guest process has it.
func newRegion() (*region, error) {
	fd, err := unix.MemfdCreate("sentinel-region", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err = unix.Ftruncate(fd, regionSize); err == nil {
		var mem []byte
		if mem, err = unix.Mmap(fd, 0, regionSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
			return &region{mem, fd}, nil
		}
	}
	unix.Close(fd)
	return nil, err
}

func (r *region) closeFD() {
	if r.fd >= 0 {
		unix.Close(r.fd)
		r.fd = -1
	}
}

func (r *region) release() {
	r.closeFD()
	unix.Munmap(r.mem)
}

// slot returns the bytes of one thread.
func (r *region) slot(i int) []byte { return r.mem[i*slotSize : (i+1)*slotSize : (i+1)*slotSize] }

// controlOf returns the control block at the beginning of a slot.
func controlOf(slot []byte) *control {
	// SAFETY: a slot is page-aligned and larger than a control; it stays
	// mapped as long as any thread of its process has it.
	return (*control)(unsafe.Pointer(&slot[0]))
}

// ordersOf returns the table of orders of a slot.
func ordersOf(slot []byte) *[maxOrders]order {
	// SAFETY: as in controlOf; the table ends before offStack.
	return (*[maxOrders]order)(unsafe.Pointer(&slot[offOrders]))
}

// wordsOf returns the 23 words of a sigcontext's registers.
func wordsOf(b []byte) *[23]uint64 {
	// SAFETY: the caller has checked that b has the words and is aligned.
	return (*[23]uint64)(unsafe.Pointer(&b[0]))
}

// futexWake wakes the stub.
func futexWake(p *uint32) {
	unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(p)), 1, 1, 0, 0, 0)
}

// futexWait sleeps while *p is v, at most until a wake-up. The runtime is told,
// since it may take long.
func futexWait(p *uint32, v uint32) {
	unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(p)), 0, uintptr(v), 0, 0, 0)
}

// spinUntil spins for a time of at most ticks TSC ticks until *p is want. It
// publishes the CPU it runs on in *cpu, and gives up at once if the peer is
// there.
//
//go:noescape
func spinUntil(p *uint32, want uint32, ticks uint64, cpu, peer *uint32) bool

// ticksNow reads the TSC.
func ticksNow() uint64

// currentCPU returns the CPU that it runs on.
func currentCPU() uint32
