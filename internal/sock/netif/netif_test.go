package netif

import (
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
)

type memory []byte

func (m memory) CopyIn(a uint64, b []byte) (int, error) {
	if a > uint64(len(m)) || uint64(len(b)) > uint64(len(m))-a {
		return 0, linux.EFAULT
	}
	return copy(b, m[a:]), nil
}

func (m memory) CopyOut(a uint64, b []byte) (int, error) {
	if a > uint64(len(m)) || uint64(len(b)) > uint64(len(m))-a {
		return 0, linux.EFAULT
	}
	return copy(m[a:], b), nil
}

func TestIoctl(t *testing.T) {
	l := Loopback()
	m := make(memory, 4096)
	c := &vfs.Context{Mem: m}
	do := func(cmd uint32, name string) error {
		t.Helper()
		clear(m[:40])
		copy(m, name)
		ok, err := l.Ioctl(c, cmd, 0)
		if !ok {
			t.Fatalf("ioctl %#x is unknown", cmd)
		}
		return err
	}
	if err := do(linux.SIOCGIFADDR, "lo"); err != nil || m[16] != linux.AF_INET || m[20] != 127 || m[23] != 1 {
		t.Errorf("SIOCGIFADDR: %v, % x", err, m[16:32])
	}
	if err := do(linux.SIOCGIFNETMASK, "lo"); err != nil || m[20] != 255 || m[21] != 0 {
		t.Errorf("SIOCGIFNETMASK: %v, % x", err, m[16:32])
	}
	if err := do(linux.SIOCGIFFLAGS, "lo"); err != nil || m[16]&linux.IFF_LOOPBACK == 0 {
		t.Errorf("SIOCGIFFLAGS: %v", err)
	}
	if err := do(linux.SIOCGIFINDEX, "eth9"); err != linux.ENODEV {
		t.Errorf("unknown interface: %v", err)
	}
	if err := do(linux.SIOCSIFADDR, "lo"); err != linux.EPERM {
		t.Errorf("change: %v", err)
	}
	if ok, _ := l.Ioctl(c, 0x1234, 0); ok {
		t.Error("unknown ioctl accepted")
	}
	ne.PutUint32(m, 100)
	ne.PutUint64(m[8:], 200)
	if _, err := l.Ioctl(c, linux.SIOCGIFCONF, 0); err != nil || ne.Uint32(m) != 40 || string(m[200:202]) != "lo" {
		t.Errorf("SIOCGIFCONF: %v, %d", err, ne.Uint32(m))
	}
}

func TestHost(t *testing.T) {
	l := Host()
	if l.ByName("lo") == nil {
		t.Error("no lo")
	}
	if s := l.ProcDev(); !strings.Contains(s, "    lo:") {
		t.Errorf("dev:\n%s", s)
	}
	for _, line := range strings.Split(strings.TrimSuffix(l.ProcRoute(), "\n"), "\n") {
		if len(line) != 127 {
			t.Errorf("route line of %d", len(line))
		}
	}
	if s := Loopback().ProcIfInet6(); s != "00000000000000000000000000000001 01 80 10 80       lo\n" {
		t.Errorf("if_inet6: %q", s)
	}
}

func FuzzAdd(f *testing.F) {
	f.Add(Loopback().Links()[0].Msg())
	f.Fuzz(func(t *testing.T, b []byte) {
		l := &List{}
		each(b, l.add)
	})
}
