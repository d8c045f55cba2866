package task

import "unsafe"

// word is the futex of the parker.
func (p *parker) word() *uint32 {
	// SAFETY: an atomic.Uint32 is a uint32 with methods; the kernel only
	// compares it.
	return (*uint32)(unsafe.Pointer(&p.woken))
}
