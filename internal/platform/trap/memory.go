package trap

import (
	"bytes"
	"encoding/binary"

	"sentinel/internal/usermem"
)

// Memory implements platform.Thread: the address space, with a view of what has
// come in the thread's buffer with the call, and room for what goes out with its
// result.
func (t *thread) Memory() usermem.Memory { return threadMemory{t} }

type threadMemory struct{ t *thread }

// window returns the n bytes at addr if they came with the call.
func (m threadMemory) window(addr uint64, n int) []byte {
	t := m.t
	off := addr - t.inAddr
	if off < t.inLen && uint64(n) <= t.inLen-off {
		return t.slot[offBuf+off : offBuf+off+uint64(n)]
	}
	if t.inMore > 0 {
		return m.piece(addr, uint64(n))
	}
	return nil
}

// piece returns the n bytes at addr if they came with the array of struct iovec
// that points to them. The guest can change the array meanwhile, and so what it
// says is where: it gets its own bytes in any case.
func (m threadMemory) piece(addr, n uint64) []byte {
	t := m.t
	data := t.slot[offBuf+vecData : offBuf+vecData+t.inMore]
	for v := t.slot[offBuf : offBuf+t.inLen]; len(v) >= 16; v = v[16:] {
		base, size := binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[8:])
		if size > uint64(len(data)) {
			return nil
		}
		if off := addr - base; off < size && n <= size-off {
			return data[off : off+n]
		}
		data = data[size:]
	}
	return nil
}

// outgoing is data for the guest that goes with the result of its call.
type outgoing struct{ addr, n uint64 }

// holds reports where the n bytes at addr are in it, if they are.
func (o outgoing) holds(addr uint64, n int) (off uint64, ok bool) {
	off = addr - o.addr
	return off, off < o.n && uint64(n) <= o.n-off
}

// CopyIn implements usermem.Memory.
func (m threadMemory) CopyIn(addr uint64, dst []byte) (int, error) {
	if t := m.t; t.out.n > 0 {
		// What is on its way out is there for who looks, as strace does.
		if off, ok := t.out2.holds(addr, len(dst)); ok {
			return copy(dst, t.slot[offOut2+off:]), nil
		}
		if off, ok := t.out.holds(addr, len(dst)); ok {
			return copy(dst, t.slot[offOut+off:]), nil
		}
	}
	if w := m.window(addr, len(dst)); w != nil {
		return copy(dst, w), nil
	}
	return m.t.as.CopyIn(addr, dst)
}

// CopyOut implements usermem.Memory.
func (m threadMemory) CopyOut(addr uint64, src []byte) (int, error) {
	return m.t.as.CopyOut(addr, src)
}

// ReadString implements usermem.StringReader.
func (m threadMemory) ReadString(addr uint64, max int) (string, bool) {
	t := m.t
	off := addr - t.inAddr
	if t.inLen == 0 || off >= t.inLen {
		return "", false
	}
	w := t.slot[offBuf+off : offBuf+t.inLen]
	// The guest may change it under our eyes: the copy is what counts.
	i := bytes.IndexByte(w[:min(len(w), max)], 0)
	if i < 0 {
		return "", false
	}
	s := string(w[:i])
	if j := bytes.IndexByte([]byte(s), 0); j >= 0 {
		s = s[:j]
	}
	return s, true
}

// CopyOutLast implements usermem.LastWriter: for two pieces, of which the second
// is small.
func (m threadMemory) CopyOutLast(addr uint64, src []byte) bool {
	t := m.t
	n := uint64(len(src))
	switch {
	case n == 0 || t.watched:
		return false
	case t.out.n == 0 && n <= outSize:
		if &src[0] != &t.slot[offOut] {
			copy(t.slot[offOut:], src)
		}
		t.out = outgoing{addr, n}
	case t.out.n > 0 && t.out2.n == 0 && n <= out2Size:
		if &src[0] != &t.slot[offOut2] {
			copy(t.slot[offOut2:], src)
		}
		t.out2 = outgoing{addr, n}
	default:
		return false
	}
	return true
}

// OutBuffer implements usermem.LastWriter.
func (m threadMemory) OutBuffer(n int) []byte {
	t := m.t
	switch {
	case t.watched:
	case t.out.n == 0 && n <= outSize:
		return t.slot[offOut : offOut+n : offOut+n]
	case t.out.n > 0 && t.out2.n == 0 && n <= out2Size:
		return t.slot[offOut2 : offOut2+n : offOut2+n]
	}
	return nil
}
