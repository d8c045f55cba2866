package trap

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"sentinel/internal/platform"
	"sentinel/internal/platform/platformtest"
)

func TestConformance(t *testing.T) {
	platformtest.Run(t, func(t *testing.T) platform.Platform {
		p, err := New()
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}

// TestSpare has processes made in advance and looks at what becomes of them.
func TestSpare(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	prepared := func() *thread {
		p.Prepare()
		th := p.spare.th
		if th == nil || p.spare.mem == nil {
			t.Fatal("nothing was prepared")
		}
		return th
	}
	first := prepared()
	if prepared() != first || len(p.procs) != 1 {
		t.Errorf("%d processes were prepared, want one", len(p.procs))
	}
	if th, err := p.NewProcess(); err != nil || th != first {
		t.Errorf("NewProcess made %v, %v in place of what was prepared", th, err)
	}
	second := prepared()
	if second == first || second.as.r == first.as.r {
		t.Error("what was given out was prepared again")
	}
	second.Kill()
	<-second.proc.gone
	th, err := p.NewProcess()
	if err != nil || th == second {
		t.Errorf("NewProcess gave a dead process, or none: %v", err)
	}
	prepared()
	for _, th := range []interface{ Exit() }{first, th} {
		th.Exit()
	}
	p.Release()
	if err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG|unix.WALL, nil); err != unix.ECHILD {
		t.Errorf("after Release there are processes: %v", err)
	}
}

// BenchmarkSyscall is one getppid from trap to trap.
func BenchmarkSyscall(b *testing.B) {
	p, err := New()
	if err != nil {
		b.Fatal(err)
	}
	platformtest.BenchmarkSyscall(b, p)
}

// TestBegin looks at what becomes of a process that was begun.
func TestBegin(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	p.Begin()
	first := p.spare.th
	if first == nil {
		t.Fatal("nothing was begun")
	}
	if th, err := p.NewProcess(); err != nil || th != first || p.spare.th != nil {
		t.Errorf("NewProcess did not give what was begun (%v)", err)
	}
	p.Begin()
	second := p.spare.th
	second.Kill()
	<-second.proc.gone // seen, since first has one watch for ends
	if th, err := p.NewProcess(); err != nil || th == second {
		t.Errorf("NewProcess gave a dead process, or none: %v", err)
	} else {
		th.Exit()
	}
	first.Exit()
	p.Begin()
	last := p.spare.th
	p.Release()
	if !last.proc.isDead() || len(p.procs) != 0 {
		t.Errorf("%d processes are left", len(p.procs))
	}
}
