package mem

import (
	"sync"

	"sentinel/internal/host"
)

// slotSize is the reach of a slot. It costs memory only for the pages that are
// written, and its page-cache node is one of the host's.
const slotSize = 64 * pageSize

// arena shares one memfd out in slots. Free slots are holes, so that a new one
// reads as zeros.
type arena struct {
	mu   sync.Mutex
	fd   int // set once; -1 before the first slot
	end  int64
	free []int64
}

// alloc returns a slot's offset and the descriptor.
func (a *arena) alloc() (int64, int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fd < 0 {
		fd, err := host.MemfdCreate("sentinel")
		if err != nil {
			return 0, -1, err
		}
		a.fd = fd
	}
	if n := len(a.free); n > 0 {
		off := a.free[n-1]
		a.free = a.free[:n-1]
		return off, a.fd, nil
	}
	// Grow by many slots at once; a larger file costs nothing.
	if a.end%(64*slotSize) == 0 {
		if err := host.Truncate(a.fd, a.end+64*slotSize); err != nil {
			return 0, -1, err
		}
	}
	a.end += slotSize
	return a.end - slotSize, a.fd, nil
}

// release takes a slot back.
func (a *arena) release(off int64) {
	if punch(a.fd, off, slotSize) != nil {
		return // leaking it is better than showing it to another file
	}
	a.mu.Lock()
	a.free = append(a.free, off)
	a.mu.Unlock()
}
