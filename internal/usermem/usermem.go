// Package usermem reads and writes the memory of a guest. All of it is
// hostile: a caller copies a value in once, checks the copy and uses the copy.
package usermem

import "sentinel/internal/abi/linux"

// Memory is the memory of one guest address space. Addresses are guest virtual
// addresses in bytes. Every method is safe for concurrent use and returns
// linux.EFAULT where the guest has no such memory or no right to access it.
type Memory interface {
	// CopyIn fills dst from addr. It returns how much could be copied; an
	// error if that is less than len(dst).
	CopyIn(addr uint64, dst []byte) (int, error)
	// CopyOut writes src to addr, likewise.
	CopyOut(addr uint64, src []byte) (int, error)
}

// StringReader is a Memory that may have a string at hand.
type StringReader interface {
	// ReadString returns the string at addr, of less than max bytes, if it is.
	ReadString(addr uint64, max int) (string, bool)
}

// LastWriter is a Memory that can pass data on together with the result of the
// call in progress.
type LastWriter interface {
	// CopyOutLast takes src for addr, unless it cannot. If the guest has no
	// memory there, the call's result becomes EFAULT.
	CopyOutLast(addr uint64, src []byte) bool
	// OutBuffer returns n bytes that CopyOutLast takes without copying, or
	// nil. The guest can see and change them at any time.
	OutBuffer(n int) []byte
}

// CopyOutLast is CopyOut for what a handler does last: its result does not
// depend on it except for EFAULT.
func CopyOutLast(m Memory, addr uint64, src []byte) error {
	if l, ok := m.(LastWriter); ok && l.CopyOutLast(addr, src) {
		return nil
	}
	_, err := m.CopyOut(addr, src)
	return err
}

// PageSize is the guest's page size in bytes.
const PageSize = 4096

// MaxRW is the most bytes that one read or write moves (MAX_RW_COUNT in
// fs/read_write.c).
const MaxRW = 0x7ffff000

// CopyInString reads a NUL-terminated string of at most max bytes, the NUL
// included. A longer one is ENAMETOOLONG.
func CopyInString(m Memory, addr uint64, max int) (string, error) {
	if r, ok := m.(StringReader); ok {
		if s, ok := r.ReadString(addr, max); ok {
			return s, nil
		}
	}
	var small [256]byte
	buf := small[:0]
	for len(buf) < max {
		// Stop at each page end, so that a string that ends just before an
		// unmapped page can be read.
		n := min(PageSize-int(addr%PageSize), max-len(buf))
		if len(buf) == 0 {
			n = min(n, len(small))
		}
		off := len(buf)
		if cap(buf) < off+n {
			grown := make([]byte, off, off+n+PageSize)
			copy(grown, buf)
			buf = grown
		}
		buf = buf[:off+n]
		got, err := m.CopyIn(addr, buf[off:])
		for i, c := range buf[off : off+got] {
			if c == 0 {
				return string(buf[:off+i]), nil
			}
		}
		if err != nil {
			return "", err
		}
		addr += uint64(n)
	}
	return "", linux.ENAMETOOLONG
}

// CopyInPath reads a path name: at most PATH_MAX bytes with its NUL.
func CopyInPath(m Memory, addr uint64) (string, error) {
	return CopyInString(m, addr, 4096)
}

// CopyInBytes reads n bytes into a new slice. The caller has bounded n.
func CopyInBytes(m Memory, addr uint64, n int) ([]byte, error) {
	b := make([]byte, n)
	if n == 0 {
		return b, nil
	}
	_, err := m.CopyIn(addr, b)
	return b, err
}

// Range is a piece of guest memory.
type Range struct {
	Addr uint64
	Len  uint64
}

// MaxIovecs is UIO_MAXIOV.
const MaxIovecs = 1024

// CopyInIovecs reads an array of struct iovec as import_iovec in lib/iov_iter.c
// does: more than UIO_MAXIOV or a negative length is EINVAL, and the total is
// cut to MaxRW.
func CopyInIovecs(m Memory, addr uint64, n uint64) ([]Range, error) {
	if n > MaxIovecs {
		return nil, linux.EINVAL
	}
	if n == 0 {
		return nil, nil
	}
	rs := make([]Range, n)
	if err := CopyInSlice(m, addr, rs); err != nil {
		return nil, err
	}
	total := uint64(0)
	for i := range rs {
		if int64(rs[i].Len) < 0 {
			return nil, linux.EINVAL
		}
		rs[i].Len = min(rs[i].Len, MaxRW-total)
		total += rs[i].Len
	}
	return rs, nil
}

// Total returns the sum of the ranges' lengths.
func Total(rs []Range) uint64 {
	n := uint64(0)
	for _, r := range rs {
		n += r.Len
	}
	return n
}
