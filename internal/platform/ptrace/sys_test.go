package ptrace

import (
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"sentinel/internal/arch"
)

// TestRegsOnMovedStack: requests write to variables on the goroutine's stack,
// which moves when a call makes it grow. Each depth has another call do so.
func TestRegsOnMovedStack(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := exec.Command("/proc/self/exe")
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait()
	defer c.Process.Kill()
	if _, err := wait(c.Process.Pid, nil); err != nil {
		t.Fatal(err)
	}
	for depth := range 600 {
		runtime.GC() // the stack is as small as can be again
		if !regsAtDepth(t, c.Process.Pid, depth) {
			t.Fatalf("depth %d: the registers went elsewhere", depth)
		}
	}
}

//go:noinline
func regsAtDepth(t *testing.T, pid, depth int) bool {
	if depth > 0 {
		return regsAtDepth(t, pid, depth-1)
	}
	var r arch.Regs
	if err := getRegs(pid, &r); err != nil {
		t.Fatal(err)
	}
	return r.RIP != 0
}
