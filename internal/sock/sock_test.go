package sock

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"sentinel/internal/abi/linux"
)

// TestRing compares with a plain slice.
func TestRing(t *testing.T) {
	var q Ring
	var want []byte
	r := rand.New(rand.NewPCG(1, 2))
	next := byte(0)
	for range 5000 {
		switch r.IntN(3) {
		case 0, 1:
			b := make([]byte, r.IntN(3000))
			for i := range b {
				b[i], next = next, next+1
			}
			if q.Len() < 1<<18 {
				q.Write(b)
				want = append(want, b...)
			}
		case 2:
			off := r.IntN(q.Len() + 1)
			got := make([]byte, r.IntN(5000))
			n := q.Peek(got, off)
			if !bytes.Equal(got[:n], want[off:off+n]) || n != min(len(got), len(want)-off) {
				t.Fatalf("peek of %d at %d differs", len(got), off)
			}
			k := r.IntN(q.Len() + 1)
			q.Discard(k)
			want = want[k:]
		}
		if q.Len() != len(want) {
			t.Fatalf("length %d, want %d", q.Len(), len(want))
		}
	}
}

func TestCmsg(t *testing.T) {
	m := Msg{Control: make([]byte, 60)}
	flags := 0
	m.PutCmsg(&flags, 1, 2, []byte("abcde"))
	m.PutCmsg(&flags, 3, 4, []byte("0123456789"))
	if flags != 0 || m.ControlN != 24+32 {
		t.Fatalf("flags %#x, %d bytes", flags, m.ControlN)
	}
	m.PutCmsg(&flags, 5, 6, []byte("x"))
	if flags != linux.MSG_CTRUNC {
		t.Errorf("flags %#x", flags)
	}
	var got []string
	err := EachCmsg(m.Control[:m.ControlN], func(level, typ int, data []byte) error {
		got = append(got, string(data))
		return nil
	})
	if err != nil || len(got) != 2 || got[0] != "abcde" || got[1] != "0123456789" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOptions(t *testing.T) {
	var b Base
	b.Init(nil, linux.AF_UNIX, linux.SOCK_STREAM, 0)
	buf := make([]byte, 16)
	b.SetCommon(nil, linux.SO_SNDBUF, []byte{0, 0x10, 0, 0})
	if n, err := b.GetCommon(linux.SO_SNDBUF, buf); n != 4 || err != nil || b.SndBuf() != 8192 {
		t.Errorf("SO_SNDBUF %d, %v, %d", n, err, b.SndBuf())
	}
	if err := b.SetCommon(nil, linux.SO_SNDBUF, []byte{1}); err != linux.EINVAL {
		t.Errorf("short value: %v", err)
	}
	if err := b.SetCommon(nil, linux.SO_RCVTIMEO, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x42, 0xf, 0, 0, 0, 0, 0}); err != linux.EDOM {
		t.Errorf("a million microseconds: %v", err)
	}
	b.SetCommon(nil, linux.SO_RCVTIMEO, []byte{2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0})
	if n, _ := b.GetCommon(linux.SO_RCVTIMEO, buf); n != 16 || buf[0] != 2 || buf[8] != 5 {
		t.Errorf("SO_RCVTIMEO % x", buf)
	}
	b.SetErr(linux.ECONNRESET)
	b.GetCommon(linux.SO_ERROR, buf)
	if buf[0] != byte(linux.ECONNRESET) || b.HasErr() {
		t.Errorf("SO_ERROR %d", buf[0])
	}
}

func FuzzEachCmsg(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef"))
	f.Fuzz(func(t *testing.T, b []byte) {
		EachCmsg(b, func(_, _ int, data []byte) error { return nil })
	})
}
