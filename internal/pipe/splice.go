package pipe

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/waiter"
)

// SpliceOut hands up to n bytes from the front of p to write, in pieces of at
// most len(buf), and takes from p what write accepts. It stops at the first
// error or short count. 0 means that p is empty and has no writer.
func (p *Pipe) SpliceOut(buf []byte, n int, write func([]byte) (int, error)) (int, error) {
	p.rdMu.Lock()
	defer p.rdMu.Unlock()
	total := 0
	for total < n {
		p.mu.Lock()
		got := p.peek(buf[:min(len(buf), n-total)])
		writers := p.writers
		p.mu.Unlock()
		if got == 0 {
			if total == 0 && writers > 0 {
				return 0, linux.EAGAIN
			}
			break
		}
		m, err := write(buf[:got])
		p.consume(m)
		total += m
		if err != nil && total == 0 {
			return 0, err
		}
		if err != nil || m < got {
			break
		}
	}
	return total, nil
}

// peek copies from the front of p; p.mu is held.
func (p *Pipe) peek(dst []byte) int {
	n := 0
	for i := p.tail; i != p.head && n < len(dst); i++ {
		n += copy(dst[n:], p.at(i).data())
	}
	return n
}

// consume drops n bytes, which are there; p.rdMu is held.
func (p *Pipe) consume(n int) {
	p.mu.Lock()
	wasFull := p.full()
	for n > 0 {
		s := p.at(p.tail)
		m := min(n, int(s.len))
		s.off += uint16(m)
		s.len -= uint16(m)
		n -= m
		if s.len == 0 {
			p.pop()
		}
	}
	wake := wasFull && !p.full()
	p.mu.Unlock()
	if wake {
		p.q.Notify(waiter.Writable)
	}
}

// SpliceIn fills free buffers of p by read, up to n bytes, in pieces of at most
// len(buf). It stops at a short count or an error. A full pipe is
// linux.EAGAIN, as it may be of read; see Full.
func (p *Pipe) SpliceIn(buf []byte, n int, read func([]byte) (int, error)) (int, error) {
	p.wrMu.Lock()
	defer p.wrMu.Unlock()
	total := 0
	for total < n {
		p.mu.Lock()
		readers, room := p.readers, int(p.max-(p.head-p.tail))*pageSize
		p.mu.Unlock()
		if readers == 0 || room == 0 {
			if total > 0 {
				break
			}
			if readers == 0 {
				return 0, linux.EPIPE
			}
			return 0, linux.EAGAIN
		}
		want := min(n-total, room, len(buf))
		m, err := read(buf[:want])
		p.mu.Lock()
		for done := 0; done < m; {
			pg := pages.Get().(*page)
			k := copy(pg[:], buf[done:m])
			p.push(slot{page: pg, len: uint16(k)})
			done += k
		}
		p.mu.Unlock()
		total += max(m, 0)
		if err != nil && total == 0 {
			return 0, err
		}
		if err != nil || m < want {
			break
		}
	}
	if total > 0 {
		p.q.Notify(waiter.Readable)
	}
	return total, nil
}

// Full and Empty tell what a splice would have to wait for. An empty pipe
// without writers is not worth waiting for, nor is a full one without readers.
func (p *Pipe) Full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.full() && p.readers > 0
}

// Empty reports that there is nothing to read yet.
func (p *Pipe) Empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.empty() && p.writers > 0
}

// Splice moves up to n bytes from in to out, whole buffers without copying.
// in and out are different pipes.
func Splice(in, out *Pipe, n int) (int, error) {
	in.rdMu.Lock()
	defer in.rdMu.Unlock()
	out.wrMu.Lock()
	defer out.wrMu.Unlock()
	total, wake := 0, false
	var err error
	for total < n {
		out.mu.Lock()
		readers, full := out.readers, out.full()
		out.mu.Unlock()
		if readers == 0 {
			err = linux.EPIPE
			break
		}
		in.mu.Lock()
		if in.empty() || full {
			if in.writers > 0 || full {
				err = linux.EAGAIN
			}
			in.mu.Unlock()
			break
		}
		wake = wake || in.full()
		s := in.at(in.tail)
		var moved slot
		if int(s.len) <= n-total {
			moved, s.page = *s, nil
			in.pop()
		} else {
			moved = part(s, n-total)
			s.off += moved.len
			s.len -= moved.len
		}
		in.mu.Unlock()
		out.mu.Lock()
		out.push(moved)
		out.mu.Unlock()
		total += int(moved.len)
	}
	if total == 0 {
		return 0, err
	}
	if wake {
		in.q.Notify(waiter.Writable)
	}
	out.q.Notify(waiter.Readable)
	return total, nil
}

// part copies the first n bytes of s into a new slot.
func part(s *slot, n int) slot {
	pg := pages.Get().(*page)
	m := copy(pg[:], s.data()[:min(n, int(s.len))])
	return slot{page: pg, len: uint16(m), packet: s.packet}
}

// Tee copies up to n bytes from in to out without taking them from in.
func Tee(in, out *Pipe, n int) (int, error) {
	in.rdMu.Lock()
	defer in.rdMu.Unlock()
	out.wrMu.Lock()
	defer out.wrMu.Unlock()
	total := 0
	var err error
	in.mu.Lock()
	next := in.tail
	in.mu.Unlock()
	for total < n {
		out.mu.Lock()
		readers, full := out.readers, out.full()
		out.mu.Unlock()
		if readers == 0 {
			err = linux.EPIPE
			break
		}
		in.mu.Lock()
		if next == in.head || full {
			if in.writers > 0 || full {
				err = linux.EAGAIN
			}
			in.mu.Unlock()
			break
		}
		moved := part(in.at(next), n-total)
		next++
		in.mu.Unlock()
		out.mu.Lock()
		out.push(moved)
		out.mu.Unlock()
		total += int(moved.len)
	}
	if total == 0 {
		return 0, err
	}
	out.q.Notify(waiter.Readable)
	return total, nil
}
