package arch

import (
	"encoding/binary"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
)

const stackBase = 0x7000000

type stack struct{ b [16384]byte }

func (s *stack) CopyIn(addr uint64, dst []byte) (int, error) {
	off := addr - stackBase
	if off > uint64(len(s.b)) || uint64(len(dst)) > uint64(len(s.b))-off {
		return 0, linux.EFAULT
	}
	return copy(dst, s.b[off:]), nil
}

func (s *stack) CopyOut(addr uint64, src []byte) (int, error) {
	off := addr - stackBase
	if off > uint64(len(s.b)) || uint64(len(src)) > uint64(len(s.b))-off {
		return 0, linux.EFAULT
	}
	return copy(s.b[off:], src), nil
}

func state() []byte {
	fp := make([]byte, 832)
	binary.LittleEndian.PutUint64(fp[464:], 7) // features
	binary.LittleEndian.PutUint64(fp[512:], 7)
	fp[160] = 0x42
	return fp
}

func TestSignalFrame(t *testing.T) {
	var m stack
	r := Regs{R12: 12, RBX: 3, RAX: 5, RIP: 0x400123, RSP: stackBase + 16000, RFLAGS: 0x246, CS: userCS, SS: userSS}
	before := r
	c := SignalContext{
		Info: &signal.Info{Signo: 10, Code: signal.SIUser, PID: 7}, Mask: signal.Of(2), Handler: 0x400500, Restorer: 0x400600,
		FPState: state(), Stack: AltStack{Flags: 2},
	}
	if err := r.PushSignal(&m, 0, &c); err != nil {
		t.Fatal(err)
	}
	if r.RIP != 0x400500 || r.RDI != 10 || r.RSP%16 != 8 || r.RSP > before.RSP-redZone {
		t.Fatalf("handler enters with %+v", r)
	}
	if ret := binary.LittleEndian.Uint64(m.b[r.RSP-stackBase:]); ret != 0x400600 {
		t.Errorf("returns to %#x", ret)
	}
	r.RSP += 8 // the handler's ret
	r.R12 = 99
	p, err := r.PopSignal(&m, 832)
	if err != nil {
		t.Fatal(err)
	}
	before.OrigRAX = ^uint64(0)
	if r != before {
		t.Errorf("registers %+v, want %+v", r, before)
	}
	if p.Mask != signal.Of(2) || p.Stack.Flags != 2 || p.FPState == nil || p.FPState[160] != 0x42 {
		t.Errorf("restored %+v", p)
	}
	small := Regs{RSP: stackBase + 100}
	if err := small.PushSignal(&m, 0, &c); err != linux.EFAULT {
		t.Errorf("a stack without room: %v", err)
	}
}

// FuzzPopSignal restores registers from a hostile stack.
func FuzzPopSignal(f *testing.F) {
	f.Add([]byte("frame"), uint64(stackBase+8), 832)
	f.Fuzz(func(t *testing.T, b []byte, sp uint64, size int) {
		var m stack
		copy(m.b[:], b)
		r := Regs{RSP: sp, CS: userCS, SS: userSS}
		if size < 576 || size > 12000 {
			size = 832
		}
		p, err := r.PopSignal(&m, size)
		if err != nil {
			return
		}
		if r.CS != userCS || r.SS != userSS || r.RFLAGS&^(userFlags|fixedFlags) != 0 || len(p.FPState) > size {
			t.Fatalf("restored %+v", r)
		}
	})
}
