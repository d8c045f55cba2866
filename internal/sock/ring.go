package sock

// Ring is a queue of bytes that grows as needed and gives memory back when it
// is empty. The zero value is empty. Its owner locks it.
type Ring struct {
	buf  []byte
	r, n int
}

const (
	ringMin  = 4 << 10
	ringKeep = 64 << 10 // an empty ring larger than this is dropped
)

// Len returns the number of bytes queued.
func (q *Ring) Len() int { return q.n }

// Write appends all of b.
func (q *Ring) Write(b []byte) {
	if need := q.n + len(b); need > len(q.buf) {
		size := max(len(q.buf), ringMin)
		for size < need {
			size *= 2
		}
		nb := make([]byte, size)
		q.copyTo(nb, 0)
		q.buf, q.r = nb, 0
	}
	w := q.r + q.n
	if w >= len(q.buf) {
		w -= len(q.buf)
	}
	k := copy(q.buf[w:], b)
	copy(q.buf, b[k:])
	q.n += len(b)
}

// Peek copies bytes from offset off on to dst.
func (q *Ring) Peek(dst []byte, off int) int {
	if off >= q.n {
		return 0
	}
	return q.copyTo(dst[:min(len(dst), q.n-off)], off)
}

func (q *Ring) copyTo(dst []byte, off int) int {
	n := min(len(dst), q.n-off)
	if n <= 0 {
		return 0
	}
	s := q.r + off
	if s >= len(q.buf) {
		s -= len(q.buf)
	}
	k := copy(dst[:n], q.buf[s:])
	copy(dst[k:n], q.buf)
	return n
}

// Discard drops n bytes, at most Len.
func (q *Ring) Discard(n int) {
	q.n -= n
	if q.n == 0 {
		q.r = 0
		if len(q.buf) > ringKeep {
			q.buf = nil
		}
		return
	}
	q.r += n
	if q.r >= len(q.buf) {
		q.r -= len(q.buf)
	}
}

// Reset drops everything.
func (q *Ring) Reset() { *q = Ring{} }
