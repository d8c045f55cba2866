// Package platformtest is the suite that every platform passes. A platform's
// own test calls Run.
package platformtest

import (
	"encoding/binary"
	"runtime"
	"sync"
	"testing"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
)

// Addresses of the test program.
const (
	codeAddr = 0x10000000
	dataAddr = 0x10010000
)

// Run runs the suite on platforms made by mk.
func Run(t *testing.T, mk func(t *testing.T) platform.Platform) {
	for _, c := range []struct {
		name string
		fn   func(t *testing.T, p platform.Platform)
	}{
		{"Syscall", testSyscall}, {"Foreign", testForeign}, {"Fault", testFault}, {"Memory", testMemory},
		{"Interrupt", testInterrupt}, {"Fork", testFork}, {"Thread", testThread}, {"File", testFile}, {"SameFile", testSameFile},
		{"Blocking", testBlocking}, {"FPState", testFPState}, {"CompareAndSwap", testCAS}, {"Dead", testDead},
		{"ManyThreads", testManyThreads}, {"HotSite", testHotSite},
		{"Prepare", testPrepare}, {"Then", testThen},
		{"Begin", testBegin},
	} {
		t.Run(c.name, func(t *testing.T) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			p := mk(t)
			defer p.Release()
			c.fn(t, p)
		})
	}
}

// start makes a process with code at codeAddr and a data page at dataAddr.
func start(t *testing.T, p platform.Platform, code []byte) platform.Thread {
	t.Helper()
	th, err := p.NewProcess()
	if err != nil {
		t.Fatalf("NewProcess: %v", err)
	}
	const anon = linux.MAP_PRIVATE | linux.MAP_ANONYMOUS | linux.MAP_FIXED_NOREPLACE
	rwx := uint64(linux.PROT_READ | linux.PROT_WRITE | linux.PROT_EXEC)
	if _, err := th.Call(
		platform.HostCall{Nr: linux.SYS_MMAP, Args: [6]uint64{codeAddr, 0x1000, rwx, anon, ^uint64(0), 0}},
		platform.HostCall{Nr: linux.SYS_MMAP, Args: [6]uint64{dataAddr, 0x4000, linux.PROT_READ | linux.PROT_WRITE, anon, ^uint64(0), 0}},
	); err != nil {
		t.Fatalf("mmap: %v", err)
	}
	if _, err := th.AddressSpace().CopyOut(codeAddr, code); err != nil {
		t.Fatalf("CopyOut: %v", err)
	}
	th.Regs().Start(codeAddr, dataAddr+0x3000)
	return th
}

func end(th platform.Thread) {
	th.Kill()
	th.Exit()
}

func wantSyscall(t *testing.T, th platform.Thread, nr uint64) *platform.SyscallArgs {
	t.Helper()
	ev := th.Run()
	if ev.Kind != platform.Syscall {
		t.Fatalf("event %+v, want a system call", ev)
	}
	sc := th.Syscall()
	if sc.Nr != nr {
		t.Fatalf("call %d, want %d", sc.Nr, nr)
	}
	return sc
}

func testSyscall(t *testing.T, p platform.Platform) {
	th := start(t, p, codeTwoCalls)
	defer end(th)
	sc := wantSyscall(t, th, 39)
	if sc.Args[0] != 0x11 || sc.Args[5] != 0x66 {
		t.Errorf("arguments %#x", sc.Args)
	}
	th.SetReturn(1234)
	// The second call passes on the result of the first.
	if sc = wantSyscall(t, th, 60); sc.Args[0] != 1234 {
		t.Errorf("result arrived as %d", sc.Args[0])
	}
	if sc.Foreign {
		t.Error("a native call is foreign")
	}
}

func testForeign(t *testing.T, p platform.Platform) {
	th := start(t, p, codeForeign)
	defer end(th)
	if ev := th.Run(); ev.Kind != platform.Syscall || !th.Syscall().Foreign {
		t.Errorf("event %+v foreign %v, want a foreign call", ev, th.Syscall().Foreign)
	}
}

func testFault(t *testing.T, p platform.Platform) {
	th := start(t, p, codeFault)
	defer end(th)
	ev := th.Run()
	if ev.Kind != platform.Fault || ev.Signal != 11 || ev.Code != 1 || ev.Addr != 0xdead000 {
		t.Errorf("event %+v, want SIGSEGV, SEGV_MAPERR at 0xdead000", ev)
	}
	if pc := th.Regs().PC(); pc < codeAddr || pc > codeAddr+64 {
		t.Errorf("pc %#x", pc)
	}
}

func testMemory(t *testing.T, p platform.Platform) {
	th := start(t, p, codeTwoCalls)
	defer end(th)
	as := th.AddressSpace()
	b := make([]byte, 0x3000)
	for i := range b {
		b[i] = byte(i * 7)
	}
	if n, err := as.CopyOut(dataAddr, b); n != len(b) || err != nil {
		t.Fatalf("CopyOut: %d, %v", n, err)
	}
	got := make([]byte, len(b))
	if n, err := as.CopyIn(dataAddr, got); n != len(b) || err != nil || string(got) != string(b) {
		t.Fatalf("CopyIn: %d, %v, equal %v", n, err, string(got) == string(b))
	}
	if n, err := as.CopyIn(dataAddr+0x3000, make([]byte, 0x2000)); n != 0x1000 || err != linux.EFAULT {
		t.Errorf("CopyIn past the end: %d, %v", n, err)
	}
	if _, err := as.CopyIn(0x1000, got[:8]); err != linux.EFAULT {
		t.Errorf("CopyIn of nothing: %v", err)
	}
	if _, err := th.Call(platform.HostCall{Nr: linux.SYS_MPROTECT, Args: [6]uint64{dataAddr, 0x1000, linux.PROT_READ}}); err != nil {
		t.Fatal(err)
	}
	if _, err := as.CopyOut(dataAddr, got[:8]); err != linux.EFAULT {
		t.Errorf("CopyOut to read-only memory: %v", err)
	}
}

func testInterrupt(t *testing.T, p platform.Platform) {
	th := start(t, p, codeSpin)
	defer end(th)
	for range 20 {
		go func() {
			time.Sleep(time.Millisecond)
			th.Interrupt()
		}()
		if ev := th.Run(); ev.Kind != platform.Interrupted {
			t.Fatalf("event %+v, want Interrupted", ev)
		}
	}
	th.Interrupt() // before Run
	if ev := th.Run(); ev.Kind != platform.Interrupted {
		t.Fatalf("event %+v, want Interrupted", ev)
	}
}

// onOwnThread attaches th on a locked goroutine and calls fn there.
func onOwnThread(t *testing.T, wg *sync.WaitGroup, th platform.Thread, fn func()) {
	wg.Add(1)
	go func() {
		defer wg.Done()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := th.Attach(); err != nil {
			t.Errorf("Attach: %v", err)
			return
		}
		fn()
	}()
}

func testFork(t *testing.T, p platform.Platform) {
	th := start(t, p, codeTwoCalls)
	defer end(th)
	wantSyscall(t, th, 39)
	as := th.AddressSpace()
	as.CopyOut(dataAddr, []byte{1})
	c, err := th.Clone(platform.CloneArgs{})
	if err != nil {
		t.Fatalf("Clone: %v", err)
	}
	*c.Regs() = *th.Regs()
	c.Regs().SetReturn(7)
	as.CopyOut(dataAddr, []byte{2})
	var wg sync.WaitGroup
	onOwnThread(t, &wg, c, func() {
		defer end(c)
		var b [1]byte
		if _, err := c.AddressSpace().CopyIn(dataAddr, b[:]); err != nil || b[0] != 1 {
			t.Errorf("the child's memory has %d, %v", b[0], err)
		}
		if ev := c.Run(); ev.Kind != platform.Syscall || c.Syscall().Args[0] != 7 {
			t.Errorf("child: %+v %+v", ev, c.Syscall())
		}
	})
	wg.Wait()
	th.SetReturn(8)
	if sc := wantSyscall(t, th, 60); sc.Args[0] != 8 {
		t.Errorf("parent got %d", sc.Args[0])
	}
}

func testThread(t *testing.T, p platform.Platform) {
	th := start(t, p, codeTwoCalls)
	defer end(th)
	wantSyscall(t, th, 39)
	as := th.AddressSpace()
	as.CopyOut(dataAddr, []byte{9, 0, 0, 0})
	c, err := th.Clone(platform.CloneArgs{SameMemory: true, SameProcess: true, ClearTID: dataAddr})
	if err != nil {
		t.Fatalf("Clone: %v", err)
	}
	if c.AddressSpace() != as {
		t.Error("a thread has an address space of its own")
	}
	*c.Regs() = *th.Regs()
	c.Regs().SetReturn(7)
	var wg sync.WaitGroup
	onOwnThread(t, &wg, c, func() {
		if ev := c.Run(); ev.Kind != platform.Syscall || c.Syscall().Args[0] != 7 {
			t.Errorf("child: %+v %+v", ev, c.Syscall())
		}
		c.Exit()
	})
	wg.Wait()
	var b [4]byte
	if as.CopyIn(dataAddr, b[:]); b[0] != 0 {
		t.Error("the thread id was not cleared at exit")
	}
	th.SetReturn(8)
	if sc := wantSyscall(t, th, 60); sc.Args[0] != 8 {
		t.Errorf("parent got %d", sc.Args[0])
	}
}

func testManyThreads(t *testing.T, p platform.Platform) {
	th := start(t, p, codeTwoCalls)
	defer end(th)
	wantSyscall(t, th, 39)
	var wg sync.WaitGroup
	for i := range 32 {
		c, err := th.Clone(platform.CloneArgs{SameMemory: true, SameProcess: true})
		if err != nil {
			t.Fatalf("Clone: %v", err)
		}
		*c.Regs() = *th.Regs()
		c.Regs().SetReturn(uint64(i))
		onOwnThread(t, &wg, c, func() {
			if ev := c.Run(); ev.Kind != platform.Syscall || c.Syscall().Args[0] != uint64(i) {
				t.Errorf("thread %d: %+v %+v", i, ev, c.Syscall())
			}
			c.Exit()
		})
	}
	wg.Wait()
}

func testBlocking(t *testing.T, p platform.Platform) {
	th := start(t, p, codeTwoCalls)
	defer end(th)
	wantSyscall(t, th, 39)
	wait := platform.HostCall{Nr: linux.SYS_FUTEX, Args: [6]uint64{dataAddr, 0, 0}}
	go func() {
		time.Sleep(5 * time.Millisecond)
		th.Interrupt()
	}()
	if _, err := th.BlockingCall(wait); err != linux.ERESTARTSYS {
		t.Errorf("interrupted futex wait: %v", err)
	}
	if ev := th.Run(); ev.Kind == platform.Syscall {
		t.Errorf("Run after an interrupted call: %+v", ev)
	}
	wait.Args[2] = 1
	if _, err := th.BlockingCall(wait); err != linux.EAGAIN {
		t.Errorf("futex wait with another value: %v", err)
	}
	th.SetReturn(5)
	if sc := wantSyscall(t, th, 60); sc.Args[0] != 5 {
		t.Errorf("result arrived as %d", sc.Args[0])
	}
}

func testFPState(t *testing.T, p platform.Platform) {
	th := start(t, p, codeFP)
	defer end(th)
	wantSyscall(t, th, 39)
	b, err := th.ReadFPState()
	if err != nil || len(b) < 512 {
		t.Fatalf("ReadFPState: %d bytes, %v", len(b), err)
	}
	if v := binary.LittleEndian.Uint64(b[160:]); v != 0x1122334455667788 {
		t.Errorf("xmm0 is %#x", v)
	}
	saved := append([]byte(nil), b...)
	binary.LittleEndian.PutUint64(saved[160:], 0x99)
	if err := th.WriteFPState(saved); err != nil {
		t.Fatalf("WriteFPState: %v", err)
	}
	th.SetReturn(0)
	if sc := wantSyscall(t, th, 60); sc.Args[0] != 0x99 {
		t.Errorf("xmm0 came back as %#x", sc.Args[0])
	}
}

func testCAS(t *testing.T, p platform.Platform) {
	th := start(t, p, codeTwoCalls)
	defer end(th)
	wantSyscall(t, th, 39)
	as := th.AddressSpace()
	as.CopyOut(dataAddr, []byte{5, 0, 0, 0})
	if v, err := as.CompareAndSwap(th, dataAddr, 4, 6); err != nil || v != 5 {
		t.Errorf("exchange of another value: %d, %v", v, err)
	}
	if v, err := as.CompareAndSwap(th, dataAddr, 5, 6); err != nil || v != 5 {
		t.Errorf("exchange: %d, %v", v, err)
	}
	var b [4]byte
	if as.CopyIn(dataAddr, b[:]); b[0] != 6 {
		t.Errorf("the word is %d", b[0])
	}
	if _, err := as.CompareAndSwap(th, 0x1000, 0, 1); err != linux.EFAULT {
		t.Errorf("exchange at a bad address: %v", err)
	}
	th.SetReturn(5)
	if sc := wantSyscall(t, th, 60); sc.Args[0] != 5 {
		t.Errorf("result arrived as %d", sc.Args[0])
	}
}

// testPrepare runs guests, and a fork of one, in what was made in advance.
func testPrepare(t *testing.T, p platform.Platform) {
	pp, ok := p.(platform.Preparer)
	if !ok {
		return
	}
	prepare := func() {
		th := start(t, p, codeTwoCalls)
		defer end(th)
		pp.Prepare()
		if sc := wantSyscall(t, th, 39); sc.Args[0] != 0x11 {
			t.Errorf("arguments %#x", sc.Args)
		}
	}
	for range 3 {
		prepare()
		testSyscall(t, p)
		prepare()
		testFork(t, p)
	}
	prepare()
}

// testThen has something done while the guest goes on, or cannot.
func testThen(t *testing.T, p platform.Platform) {
	th := start(t, p, codeTwoCalls)
	defer end(th)
	x, ok := th.(platform.Overlapper)
	if !ok {
		return
	}
	done := 0
	then := func() { done++ }
	x.Then(then)
	th.Interrupt()
	if ev := th.Run(); ev.Kind != platform.Interrupted || done != 1 {
		t.Errorf("event %+v, done %d times", ev, done)
	}
	x.Then(then)
	wantSyscall(t, th, 39)
	if done != 2 {
		t.Errorf("done %d times", done)
	}
	th.SetReturn(5)
	wantSyscall(t, th, 60)
	th.Kill()
	for th.Run().Kind != platform.Dead {
	}
	x.Then(then)
	if ev := th.Run(); ev.Kind != platform.Dead || done != 3 {
		t.Errorf("event %+v, done %d times", ev, done)
	}
	if n, ok := th.PeakRSS(true); !ok || n == 0 {
		t.Errorf("it has had %d bytes, %v", n, ok)
	}
}

// testBegin runs guests in processes that were begun before.
func testBegin(t *testing.T, p platform.Platform) {
	b, ok := p.(platform.Beginner)
	if !ok {
		return
	}
	for range 3 {
		b.Begin()
		testSyscall(t, p)
		testFork(t, p)
	}
	b.Begin() // for Release to end
}

func testDead(t *testing.T, p platform.Platform) {
	th := start(t, p, codeSpin)
	go func() {
		time.Sleep(2 * time.Millisecond)
		th.Kill()
	}()
	if ev := th.Run(); ev.Kind != platform.Dead {
		t.Errorf("event %+v, want Dead", ev)
	}
	th.Exit()
}
