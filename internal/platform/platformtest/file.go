package platformtest

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
)

func testFile(t *testing.T, p platform.Platform) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	th := start(t, p, codeTwoCalls)
	defer end(th)
	mapFile := func(addr uint64) {
		t.Helper()
		a, err := th.Call(platform.HostCall{
			Nr:   linux.SYS_MMAP,
			Args: [6]uint64{addr, 0x1000, linux.PROT_READ, linux.MAP_PRIVATE | linux.MAP_FIXED, 0, 0}, File: int(f.Fd()), HasFile: true,
		})
		if err != nil || a != addr {
			t.Fatalf("mmap: %#x, %v", a, err)
		}
		b := make([]byte, 5)
		if _, err := th.AddressSpace().CopyIn(addr, b); err != nil || string(b) != "hello" {
			t.Fatalf("mapped %q, %v", b, err)
		}
	}
	mapFile(dataAddr + 0x10000)
	wantSyscall(t, th, 39)
	mapFile(dataAddr + 0x20000)
	mapFile(dataAddr + 0x30000)
	// A mapping that the host refuses leaves nothing behind in the channel.
	if _, err := th.Call(platform.HostCall{
		Nr:   linux.SYS_MMAP,
		Args: [6]uint64{0, 0, linux.PROT_READ, linux.MAP_PRIVATE, 0, 0}, File: int(f.Fd()), HasFile: true,
	}); err != linux.EINVAL {
		t.Errorf("mmap of nothing: %v", err)
	}
	mapFile(dataAddr + 0x40000)
	th.SetReturn(3)
	if sc := wantSyscall(t, th, 60); sc.Args[0] != 3 {
		t.Errorf("result arrived as %d", sc.Args[0])
	}
}

// BenchmarkSyscall measures one call, from the stop to the next.
func BenchmarkSyscall(b *testing.B, p platform.Platform) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer p.Release()
	th, err := p.NewProcess()
	if err != nil {
		b.Fatal(err)
	}
	defer end(th)
	loadLoop(b, th)
	for b.Loop() {
		if ev := th.Run(); ev.Kind != platform.Syscall {
			b.Fatalf("event %+v", ev)
		}
		th.SetReturn(1)
	}
}

func loadLoop(b *testing.B, th platform.Thread) {
	const anon = linux.MAP_PRIVATE | linux.MAP_ANONYMOUS | linux.MAP_FIXED_NOREPLACE
	rwx := uint64(linux.PROT_READ | linux.PROT_WRITE | linux.PROT_EXEC)
	if _, err := th.Call(platform.HostCall{Nr: linux.SYS_MMAP, Args: [6]uint64{codeAddr, 0x1000, rwx, anon, ^uint64(0), 0}}); err != nil {
		b.Fatal(err)
	}
	if _, err := th.AddressSpace().CopyOut(codeAddr, codeLoop); err != nil {
		b.Fatal(err)
	}
	th.Regs().Start(codeAddr, codeAddr+0x800)
}
