package unix

import (
	"slices"
	"sync"
	"sync/atomic"

	"sentinel/internal/sock"
	"sentinel/internal/vfs"
)

// extra is what travels beside data.
type extra struct {
	files  []*vfs.File // each with a reference
	who    person
	hasWho bool
}

// mark puts an extra on a piece of a stream, by absolute positions.
type mark struct {
	start, end uint64
	extra
}

// message is one datagram or packet.
type message struct {
	data []byte
	from *Socket
	addr string // the sender's name at the time
	cost int    // charged to from
	extra
}

// queue is what a socket has received and not read.
type queue struct {
	rights atomic.Int32 // marks or messages with files, to know before locking

	mu    sync.Mutex
	dead  bool // the socket is closed
	ring  sock.Ring
	head  uint64 // absolute position of the ring's first byte
	marks []mark
	msgs  []message
	first int // index of the first message in msgs
	bytes int // in msgs

	wantSpace bool                 // a sender found it full
	waiting   map[*Socket]struct{} // datagram senders to tell when there is room
}

func (q *queue) count() int { return len(q.msgs) - q.first }

func (q *queue) push(m message) {
	if q.first > 32 && q.first > len(q.msgs)/2 {
		n := copy(q.msgs, q.msgs[q.first:])
		clear(q.msgs[n:])
		q.msgs, q.first = q.msgs[:n], 0
	}
	q.msgs = append(q.msgs, m)
	q.bytes += len(m.data)
	if m.files != nil {
		q.rights.Add(1)
	}
}

func (q *queue) pop() message {
	m := q.msgs[q.first]
	q.msgs[q.first] = message{}
	q.first++
	if q.first == len(q.msgs) {
		q.msgs, q.first = q.msgs[:0], 0
	}
	q.bytes -= len(m.data)
	if m.files != nil {
		q.rights.Add(-1)
	}
	return m
}

// append adds stream data with what goes with it.
func (q *queue) append(b []byte, x extra) {
	if x.files != nil || x.hasWho {
		start := q.head + uint64(q.ring.Len())
		end := start + uint64(len(b))
		if n := len(q.marks); n > 0 && x.files == nil && q.marks[n-1].files == nil &&
			q.marks[n-1].end == start && q.marks[n-1].who == x.who {
			q.marks[n-1].end = end
		} else {
			q.marks = append(q.marks, mark{start, end, x})
		}
		if x.files != nil {
			q.rights.Add(1)
		}
	}
	q.ring.Write(b)
}

// read takes stream data from offset off on as unix_stream_read_generic does:
// it stops after a piece that came with files, and, if byWho, where the writer
// changes. The files are the caller's; with peek they stay queued and have
// been given a reference.
func (q *queue) read(dst []byte, off int, peek, byWho bool) (n int, x extra) {
	pos, tail := q.head+uint64(off), q.head+uint64(q.ring.Len())
	x.who = nobody
	for n < len(dst) && pos < tail {
		end, who := tail, nobody
		var m *mark
		for i := range q.marks {
			if c := &q.marks[i]; c.end > pos {
				if c.start <= pos {
					m, end, who = c, c.end, c.who
				} else {
					end = c.start
				}
				break
			}
		}
		if byWho {
			if n > 0 && who != x.who {
				break
			}
			x.who = who
		}
		k := q.ring.Peek(dst[n:min(len(dst), n+int(end-pos))], int(pos-q.head))
		n += k
		pos += uint64(k)
		if m != nil && m.files != nil {
			x.files = m.files
			if peek {
				x.files = slices.Clone(x.files)
				for _, f := range x.files {
					f.IncRef()
				}
			} else {
				m.files = nil
				q.rights.Add(-1)
			}
			break
		}
	}
	if !peek {
		q.ring.Discard(off + n)
		q.head += uint64(off + n)
		i := 0
		for i < len(q.marks) && q.marks[i].end <= q.head {
			i++
		}
		q.marks = slices.Delete(q.marks, 0, i)
		if len(q.marks) == 0 {
			q.marks = nil
		}
	}
	return n, x
}

// drain empties the queue and returns the files that were in it, and the
// senders with what they are to be credited.
func (q *queue) drain() (files []*vfs.File, msgs []message) {
	for i := range q.marks {
		files = append(files, q.marks[i].files...)
	}
	msgs = q.msgs[q.first:]
	for i := range msgs {
		files = append(files, msgs[i].files...)
	}
	q.head += uint64(q.ring.Len())
	q.ring.Reset()
	q.marks, q.msgs, q.first, q.bytes = nil, nil, 0, 0
	q.rights.Store(0)
	return files, msgs
}

// eachFile calls fn for the files queued.
func (q *queue) eachFile(fn func(*vfs.File)) {
	for i := range q.marks {
		for _, f := range q.marks[i].files {
			fn(f)
		}
	}
	for i := q.first; i < len(q.msgs); i++ {
		for _, f := range q.msgs[i].files {
			fn(f)
		}
	}
}
