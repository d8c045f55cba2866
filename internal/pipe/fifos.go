package pipe

import (
	"sync"
	"sync/atomic"

	"sentinel/internal/vfs"
)

// Pipes is the pipes and FIFOs of one kernel. It finds the buffer of a FIFO by its
// inode, for file systems that only keep the name.
type Pipes struct {
	slots atomic.Int64 // capacity of all open ones

	mu sync.Mutex
	m  map[vfs.Inode]*fifo
}

type fifo struct {
	Pipe
	users int // opens and attempts to; guarded by Pipes.mu
}

// Open opens an end of the FIFO ino.
func (s *Pipes) Open(ino vfs.Inode, c *vfs.Context, flags uint32) (vfs.FileOps, error) {
	s.mu.Lock()
	p := s.m[ino]
	if p == nil {
		if s.m == nil {
			s.m = make(map[vfs.Inode]*fifo)
		}
		p = &fifo{Pipe: Pipe{of: s}}
		s.m[ino] = p
	}
	p.users++
	s.mu.Unlock()
	drop := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.users--; p.users == 0 {
			delete(s.m, ino)
		}
	}
	ops, err := p.Open(c, flags)
	if err != nil {
		drop()
		return nil, err
	}
	ops.(*End).released = drop
	return ops, nil
}
