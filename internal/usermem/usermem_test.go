package usermem

import (
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
)

// flat is memory from base on, with nothing around it.
type flat struct {
	base uint64
	b    []byte
}

func (f *flat) at(addr uint64, n int) []byte {
	off := addr - f.base
	if addr < f.base || off >= uint64(len(f.b)) {
		return nil
	}
	return f.b[off:min(uint64(len(f.b)), off+uint64(n))]
}

func (f *flat) CopyIn(addr uint64, dst []byte) (int, error) {
	n := copy(dst, f.at(addr, len(dst)))
	if n < len(dst) {
		return n, linux.EFAULT
	}
	return n, nil
}

func (f *flat) CopyOut(addr uint64, src []byte) (int, error) {
	n := copy(f.at(addr, len(src)), src)
	if n < len(src) {
		return n, linux.EFAULT
	}
	return n, nil
}

func TestCopyInString(t *testing.T) {
	m := &flat{base: 0x10000, b: make([]byte, 2*PageSize)}
	put := func(off int, s string) uint64 {
		copy(m.b[off:], s+"\x00")
		return m.base + uint64(off)
	}
	long := strings.Repeat("x", 3000)
	for _, c := range []struct {
		addr uint64
		max  int
		want string
		err  error
	}{
		{put(0, "short"), 4096, "short", nil},
		{put(100, long), 4096, long, nil},
		{put(100, long), 3000, "", linux.ENAMETOOLONG},
		{put(100, long), 3001, long, nil},
		{put(2*PageSize-6, "at the end"[:5]), 4096, "at th", nil},
		{0x5000, 4096, "", linux.EFAULT},
	} {
		if s, err := CopyInString(&Paged{M: m}, c.addr, c.max); s != c.want || err != c.err {
			t.Errorf("by pages, %#x, max %d: %d bytes, %v; want %d, %v", c.addr, c.max, len(s), err, len(c.want), c.err)
		}
		if s, err := CopyInString(m, c.addr, c.max); s != c.want || err != c.err {
			t.Errorf("%#x, at most %d: %d bytes, %v", c.addr, c.max, len(s), err)
		}
	}
	for i := range m.b {
		m.b[i] = 'y'
	}
	if _, err := CopyInString(m, m.base+PageSize, 1<<20); err != linux.EFAULT {
		t.Errorf("a string without an end: %v", err)
	}
}

// FuzzIovecs checks that lengths are never negative and their sum is bounded.
func FuzzIovecs(f *testing.F) {
	f.Add([]byte("\x00\x10\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f"), uint64(1), uint64(0x1000))
	f.Fuzz(func(t *testing.T, b []byte, n, addr uint64) {
		m := &flat{base: 0x1000, b: b}
		rs, err := CopyInIovecs(m, addr, n)
		if err != nil {
			return
		}
		if len(rs) > MaxIovecs || Total(rs) > MaxRW {
			t.Fatalf("%d ranges of %d bytes", len(rs), Total(rs))
		}
		for _, r := range rs {
			if int64(r.Len) < 0 {
				t.Fatalf("length %d", int64(r.Len))
			}
		}
	})
}
