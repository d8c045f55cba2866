package signalfd

import (
	"encoding/binary"
	"testing"

	"sentinel/internal/signal"
)

func TestMarshal(t *testing.T) {
	u32 := binary.NativeEndian.Uint32
	var b [infoSize]byte
	for i := range b {
		b[i] = 0xff // must be cleared
	}
	marshal(b[:], &signal.Info{Signo: signal.SIGUSR1, Code: signal.SIQueue, PID: 7, UID: 8, Value: 1<<40 | 9})
	if u32(b[0:]) != signal.SIGUSR1 || int32(u32(b[8:])) != signal.SIQueue || u32(b[12:]) != 7 || u32(b[16:]) != 8 ||
		u32(b[44:]) != 9 || binary.NativeEndian.Uint64(b[48:]) != 1<<40|9 || b[127] != 0 {
		t.Errorf("sigqueue: %v", b)
	}
	marshal(b[:], &signal.Info{Signo: signal.SIGCHLD, Code: signal.CldExited, PID: 5, Status: 3, UTime: 2})
	if u32(b[12:]) != 5 || u32(b[40:]) != 3 || binary.NativeEndian.Uint64(b[56:]) != 2 {
		t.Errorf("child: %v", b)
	}
	marshal(b[:], &signal.Info{Signo: signal.SIGSEGV, Code: signal.SegvMapErr, Addr: 1 << 33})
	if binary.NativeEndian.Uint64(b[72:]) != 1<<33 {
		t.Errorf("fault: %v", b)
	}
}
