package task

import "sync"

// bufferSizes are what scratch memory comes in: what most tasks need and keep, what
// they keep if they ever need it, and what is only lent for a call.
var bufferSizes = [...]int{4 << 10, 64 << 10, 256 << 10, 1 << 20}

// keptBuffer is how much a task keeps between its calls.
const keptBuffer = 64 << 10

// buffers lends scratch memory to tasks, by size. Programs that run for a moment
// and read in pieces of 128 KiB, as cat does, would otherwise keep the garbage
// collector busy.
type buffers [len(bufferSizes)]sync.Pool

// Buffer returns n bytes of scratch memory of the task, n at most 1 MiB, valid
// until the call ends or Buffer is called again. What they hold is not defined.
func (t *Task) Buffer(n int) []byte {
	if t.buf == nil || n > len(*t.buf) {
		t.returnBuffer(0)
		i := 0
		for n > bufferSizes[i] {
			i++
		}
		b, ok := t.k.buffers[i].Get().(*[]byte)
		if !ok {
			m := make([]byte, bufferSizes[i])
			b = &m
		}
		t.buf = b
	}
	return (*t.buf)[:n]
}

// returnBuffer gives the memory back if it is more than keep bytes.
func (t *Task) returnBuffer(keep int) {
	if t.buf == nil || len(*t.buf) <= keep {
		return
	}
	for i, size := range bufferSizes {
		if size == len(*t.buf) {
			t.k.buffers[i].Put(t.buf)
		}
	}
	t.buf = nil
}
