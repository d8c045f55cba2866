package platformtest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
)

// testSameFile: calls that name a file by HostCall.Same map that file, whatever
// the platform keeps of earlier ones, also in children with and without a
// memory of their own and after a mapping that failed.
func testSameFile(t *testing.T, p platform.Platform) {
	dir := t.TempDir()
	var files [3]*os.File
	var ids [3]platform.FileID
	for i := range files {
		name := filepath.Join(dir, string(rune('a'+i)))
		if err := os.WriteFile(name, []byte{byte('a' + i)}, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		files[i], ids[i] = f, platform.FileID{Dev: st.Dev, Ino: st.Ino}
	}
	ids[2] = platform.FileID{} // never kept
	mapping := func(i int, addr, length uint64) platform.HostCall {
		return platform.HostCall{
			Nr: linux.SYS_MMAP, Args: [6]uint64{addr, length, linux.PROT_READ, linux.MAP_PRIVATE | linux.MAP_FIXED, 0, 0},
			File: int(files[i].Fd()), HasFile: true, Same: ids[i],
		}
	}
	next := uint64(dataAddr + 0x10000)
	mapAll := func(th platform.Thread, order ...int) {
		t.Helper()
		for _, i := range order {
			next += 0x1000
			if _, err := th.Call(mapping(i, next, 0x1000)); err != nil {
				t.Fatalf("mapping of file %d: %v", i, err)
			}
			b := make([]byte, 1)
			if _, err := th.AddressSpace().CopyIn(next, b); err != nil || b[0] != byte('a'+i) {
				t.Fatalf("mapped %q, %v, want %c", b, err, 'a'+i)
			}
		}
	}
	th := start(t, p, codeTwoCalls)
	defer end(th)
	mapAll(th, 0, 0, 1, 1, 0, 2, 0, 0, 2, 2)
	wantSyscall(t, th, 39)
	for _, first := range []int{0, 2, 1} {
		mapAll(th, first)
		if _, err := th.Call(mapping(first, 0, 0)); err != linux.EINVAL {
			t.Errorf("mmap of nothing: %v", err)
		}
		mapAll(th, 1, 1)
	}
	// Two files in one batch, each twice.
	var calls []platform.HostCall
	for n, i := range []int{0, 0, 1, 1, 2, 0} {
		calls = append(calls, mapping(i, next+0x1000*uint64(n+1), 0x1000))
	}
	if _, err := th.Call(calls...); err != nil {
		t.Fatalf("batch: %v", err)
	}
	for n, want := range "aabbca" {
		b := make([]byte, 1)
		if _, err := th.AddressSpace().CopyIn(next+0x1000*uint64(n+1), b); err != nil || b[0] != byte(want) {
			t.Errorf("batch: %d is %q, %v, want %c", n, b, err, want)
		}
	}
	next += 0x1000 * uint64(len(calls))
	for _, args := range []platform.CloneArgs{{}, {SameMemory: true}, {SameMemory: true, SameProcess: true}} {
		c, err := th.Clone(args)
		if err != nil {
			t.Fatalf("Clone: %v", err)
		}
		*c.Regs() = *th.Regs()
		c.Regs().SetReturn(1)
		var wg sync.WaitGroup
		onOwnThread(t, &wg, c, func() {
			if ev := c.Run(); ev.Kind != platform.Syscall {
				t.Errorf("child: %+v", ev)
			}
			mapAll(c, 0, 1, 1, 2, 1)
			if args.SameProcess {
				c.Exit()
			} else {
				end(c)
			}
		})
		wg.Wait()
		mapAll(th, 0, 0, 1)
	}
}
