package platformtest

import (
	"encoding/binary"
	"testing"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/platform"
)

// testHotSite makes the same call from the same place again and again, which a
// platform may take as a reason to change the place: nobody may notice.
func testHotSite(t *testing.T, p platform.Platform) {
	th := start(t, p, codeHot)
	defer end(th)
	if _, err := th.Call(platform.HostCall{Nr: linux.SYS_MPROTECT, Args: [6]uint64{codeAddr, 0x1000, linux.PROT_READ | linux.PROT_EXEC}}); err != nil {
		t.Fatal(err)
	}
	next := func(want uint64) {
		t.Helper()
		for {
			ev := th.Run()
			if ev.Kind == platform.Interrupted {
				continue
			}
			if ev.Kind != platform.Syscall || th.Syscall().Nr != 39 || th.Syscall().Args[0] != want {
				t.Fatalf("event %+v, call %+v, want an argument of %d", ev, th.Syscall(), want)
			}
			return
		}
	}
	next(0)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
				th.Interrupt()
			}
		}
	}()
	for i := uint64(1); i < 2000; i++ {
		th.SetReturn(i)
		next(i)
	}
	close(stop)
	// Other registers, the extended state and the stack pointer are untouched.
	r := th.Regs()
	if r.SP() != dataAddr+0x3000 || r.R12 != 0x1212 || r.RBX != 0xb0b || r.RBP != 0xb9 {
		t.Errorf("registers %+v", *r)
	}
	fp, err := th.ReadFPState()
	if err != nil || binary.LittleEndian.Uint64(fp[160:]) != 0x1122334455667788 {
		t.Errorf("extended state: %v", err)
	}
	// Registers that the kernel changes arrive.
	r.R12 = 0x3434
	r.SetReturn(7)
	next(7)
	if v := th.Regs().R12; v != 0x3434 {
		t.Errorf("r12 is %#x", v)
	}
	fp, err = th.ReadFPState()
	if err != nil || binary.LittleEndian.Uint64(fp[160:]) != 0x1122334455667788 {
		t.Errorf("extended state after a change of registers: %v", err)
	}
	// A jump to the system-call instruction is a call.
	th.Regs().RIP = codeAddr + uint64(len(codeHot)) - 4
	th.Regs().RAX, th.Regs().RDI = 39, 55
	next(55)
	// Children have the same code and a life of their own.
	c, err := th.Clone(platform.CloneArgs{})
	if err != nil {
		t.Fatal(err)
	}
	*c.Regs() = *th.Regs()
	c.Regs().SetReturn(100)
	if err := c.Attach(); err != nil {
		t.Fatal(err)
	}
	for i := uint64(100); i < 200; i++ {
		if ev := c.Run(); ev.Kind != platform.Syscall || c.Syscall().Args[0] != i {
			t.Fatalf("child: event %+v, call %+v, want an argument of %d", ev, c.Syscall(), i)
		}
		c.SetReturn(i + 1)
	}
	end(c)
	for i := uint64(300); i < 400; i++ {
		th.SetReturn(i)
		next(i)
	}
}
