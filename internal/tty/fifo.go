package tty

// fifo is a bounded queue of bytes that frees its memory when empty.
type fifo struct {
	b   []byte
	max int
}

func (q *fifo) len() int  { return len(q.b) }
func (q *fifo) room() int { return max(q.max-len(q.b), 0) }

// put appends as much of p as there is room for.
func (q *fifo) put(p []byte) int {
	n := min(len(p), q.room())
	q.b = append(q.b, p[:n]...)
	return n
}

// get moves bytes to dst.
func (q *fifo) get(dst []byte) int {
	n := copy(dst, q.b)
	q.drop(n)
	return n
}

func (q *fifo) drop(n int) {
	if n >= len(q.b) {
		q.b = nil
		return
	}
	// Move down rather than slice off, so that the array does not creep.
	q.b = q.b[:copy(q.b, q.b[n:])]
}

// cut keeps the first n bytes.
func (q *fifo) cut(n int) {
	if n < len(q.b) {
		q.b = q.b[:n]
	}
}
