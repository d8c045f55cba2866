// Package pipe implements pipes and FIFOs as fs/pipe.c does: a ring of page
// sized buffers, so that what fits, what is atomic and when a pipe polls
// writable are Linux's. Pages exist only while they hold data.
//
// rdMu is held while buffers are taken from the tail, wrMu while they are added
// at the head, so that splice can do I/O in between without holding mu.
//
// Lock order:
//
//	Pipe.rdMu (of one pipe) > Pipe.wrMu (of another) > Pipe.mu > waiter.Queue.mu
//	Pipe.rdMu, Pipe.wrMu > vfs.File.posMu (of a file in splice)
//	epoll.Instance.mtx, vfs.File.posMu > node.mu
//	epoll.Instance.mtx > Pipe.mu
//	Pipes.mu
package pipe

import (
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

const (
	pageSize = usermem.PageSize
	// defSlots is PIPE_DEF_BUFFERS.
	defSlots = 16
	// minSlots is PIPE_MIN_DEF_BUFFERS, what new pipes get over the soft limit.
	minSlots = 2
	// maxSlots is fs.pipe-max-size. Even root cannot go past it: the memory is
	// the supervisor's.
	maxSlots = 1 << 20 / pageSize
	// softSlots is fs.pipe-user-pages-soft, for the whole sandbox.
	softSlots = 16384
	// sigPipe is SIGPIPE.
	sigPipe = 13
)

// Buf is PIPE_BUF: writes of up to so many bytes are atomic.
const Buf = 4096

type page [pageSize]byte

var pages = sync.Pool{New: func() any { return new(page) }}

// slot is struct pipe_buffer.
type slot struct {
	page     *page
	off, len uint16
	packet   bool
}

func (s *slot) data() []byte { return s.page[s.off : s.off+s.len] }

// Pipe is one pipe or the buffer of one FIFO. The zero value is a FIFO that
// nobody has open.
type Pipe struct {
	of *Pipes

	rdMu sync.Mutex
	wrMu sync.Mutex

	mu         sync.Mutex
	ring       []slot // nil until the first write; a power of two
	head, tail uint32
	max        uint32 // capacity in slots; 0 while closed
	readers    int
	writers    int
	rcount     uint32 // opens ever, as r_counter and w_counter
	wcount     uint32

	q waiter.Queue

	node *node // of an anonymous pipe
}

// New makes a pipe. flags may hold O_NONBLOCK and O_DIRECT.
func (s *Pipes) New(c *vfs.Context, flags uint32) (r, w *vfs.File) {
	p := &Pipe{of: s}
	p.node = newNode(p, c)
	re, _, _ := p.attach(true, false)
	we, _, _ := p.attach(false, true)
	flags &= linux.O_NONBLOCK | linux.O_DIRECT
	r = vfs.NewFile(re, vfs.Path{}, p.node, flags|linux.O_RDONLY)
	w = vfs.NewFile(we, vfs.Path{}, p.node, flags|linux.O_WRONLY)
	r.Name, w.Name = p.node.name(), p.node.name()
	return r, w
}

// attach makes one end and counts it. It tells whether there is no partner, and
// how many partners have come so far.
func (p *Pipe) attach(read, write bool) (e *End, alone bool, seen uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.max == 0 {
		p.max = defSlots
		if p.of.slots.Add(defSlots) > softSlots {
			p.of.slots.Add(minSlots - defSlots)
			p.max = minSlots
		}
	}
	if read {
		p.readers++
		p.rcount++
	}
	if write {
		p.writers++
		p.wcount++
	}
	if p.node == nil && read && !write {
		alone, seen = p.writers == 0, p.wcount
	} else if p.node == nil && write && !read {
		alone, seen = p.readers == 0, p.rcount
	}
	return &End{p: p, read: read, write: write}, alone, seen
}

// detach undoes attach.
func (p *Pipe) detach(read, write bool) {
	p.mu.Lock()
	if read {
		p.readers--
	}
	if write {
		p.writers--
	}
	gone := p.readers == 0 && p.writers == 0
	if gone {
		for p.tail != p.head {
			p.pop()
		}
		p.of.slots.Add(-int64(p.max))
		p.ring, p.max = nil, 0
	}
	p.mu.Unlock()
	if !gone {
		p.q.Notify(waiter.All)
	}
}

// The following need p.mu.

func (p *Pipe) at(i uint32) *slot { return &p.ring[i&uint32(len(p.ring)-1)] }

func (p *Pipe) empty() bool { return p.head == p.tail }

func (p *Pipe) full() bool { return p.head-p.tail >= p.max }

func (p *Pipe) pop() {
	s := p.at(p.tail)
	if s.page != nil {
		pages.Put(s.page)
	}
	*s = slot{}
	p.tail++
}

func (p *Pipe) push(s slot) {
	if uint32(len(p.ring)) < p.max {
		p.resize(p.max)
	}
	*p.at(p.head) = s
	p.head++
}

func (p *Pipe) resize(n uint32) {
	ring := make([]slot, n)
	for i := p.tail; i != p.head; i++ {
		ring[i&(n-1)] = *p.at(i)
	}
	p.ring = ring
}

func (p *Pipe) buffered() int {
	n := 0
	for i := p.tail; i != p.head; i++ {
		n += int(p.at(i).len)
	}
	return n
}

// Read takes up to len(dst) bytes. 0 is end of file, linux.EAGAIN an empty pipe
// that has writers.
func (p *Pipe) Read(dst []byte) (int, error) {
	if len(dst) == 0 {
		return 0, nil
	}
	p.rdMu.Lock()
	p.mu.Lock()
	wasFull, n := p.full(), 0
	for n < len(dst) && !p.empty() {
		s := p.at(p.tail)
		m := copy(dst[n:], s.data())
		n += m
		s.off += uint16(m)
		s.len -= uint16(m)
		packet := s.packet
		if packet || s.len == 0 {
			p.pop() // what a short read leaves of a packet is lost
		}
		if packet {
			break
		}
	}
	var err error
	if n == 0 && p.writers > 0 {
		err = linux.EAGAIN
	}
	wake := wasFull && !p.full()
	p.mu.Unlock()
	p.rdMu.Unlock()
	if wake {
		p.q.Notify(waiter.Writable)
	}
	return n, err
}

// Write appends src, all of it or nothing if it is at most Buf long. A packet
// is what one read gets.
func (p *Pipe) Write(src []byte, packet bool) (int, error) {
	if len(src) == 0 {
		return 0, nil
	}
	p.wrMu.Lock()
	n, err := p.write(src, packet)
	p.wrMu.Unlock()
	if n > 0 {
		p.q.Notify(waiter.Readable)
	}
	return n, err
}

// write needs p.wrMu.
func (p *Pipe) write(src []byte, packet bool) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readers == 0 {
		return 0, linux.EPIPE
	}
	n := 0
	if odd := len(src) % pageSize; odd != 0 && !p.empty() {
		s := p.at(p.head - 1)
		if end := int(s.off) + int(s.len); !s.packet && end+odd <= pageSize {
			n = copy(s.page[end:], src[:odd])
			s.len += uint16(n)
		}
	}
	for n < len(src) && !p.full() {
		pg := pages.Get().(*page)
		m := copy(pg[:], src[n:])
		p.push(slot{page: pg, len: uint16(m), packet: packet})
		n += m
	}
	if n == 0 {
		return 0, linux.EAGAIN
	}
	return n, nil
}

// Size returns the capacity in bytes (F_GETPIPE_SZ).
func (p *Pipe) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(p.max) * pageSize
}

// SetSize changes the capacity to n bytes, rounded up to a power of two of
// pages, and returns what it is then (F_SETPIPE_SZ).
func (p *Pipe) SetSize(cr *cred.Cred, n uint64) (int, error) {
	n &= 0xffffffff
	if n > 1<<31 {
		return 0, linux.EINVAL
	}
	want := uint32(1)
	for uint64(want)*pageSize < n {
		want <<= 1
	}
	p.rdMu.Lock()
	defer p.rdMu.Unlock()
	p.wrMu.Lock()
	defer p.wrMu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	more := int64(want) - int64(p.max)
	if more > 0 && (want > maxSlots || p.of.slots.Load()+more > softSlots && !cr.Has(cred.CapSysResource)) {
		return 0, linux.EPERM
	}
	if p.head-p.tail > want {
		return 0, linux.EBUSY
	}
	wasFull := p.full()
	p.max = want
	p.of.slots.Add(more)
	if p.ring != nil {
		p.resize(want)
	}
	if wasFull && !p.full() {
		defer p.q.Notify(waiter.Writable)
	}
	return int(want) * pageSize, nil
}

// Buffered returns the number of bytes to read (FIONREAD).
func (p *Pipe) Buffered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buffered()
}
