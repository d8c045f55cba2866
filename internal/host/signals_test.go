package host

import (
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCatchSignals sends signals to threads in all sorts of states, blocked ones
// and those of goroutines among them.
func TestCatchSignals(t *testing.T) {
	caught := []unix.Signal{unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH}
	// As if the parent had blocked them all, on the only thread that there is.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var blocked unix.Sigset_t
	for _, sig := range caught {
		blocked.Val[0] |= 1 << (sig - 1)
	}
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, nil); err != nil {
		t.Fatal(err)
	}
	f, err := CatchSignals(caught)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, sig := range caught {
			handle(sig, 0, 0) // SIG_DFL
		}
		f.Close()
	}()
	next := func() unix.Signal {
		t.Helper()
		var b [1]byte
		if _, err := f.Read(b[:]); err != nil {
			t.Fatal(err)
		}
		return unix.Signal(b[0])
	}
	for _, sig := range caught {
		if err := unix.Tgkill(os.Getpid(), unix.Gettid(), sig); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != sig {
			t.Errorf("sent %v to the thread, caught %v", sig, got)
		}
	}
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					deep(n%1000, [64]byte{byte(n)}) // stacks that grow and move
					if n%64 == 0 {
						unix.Nanosleep(&unix.Timespec{Nsec: 1000}, nil)
					}
				}
			}
		}()
	}
	for n := range 300 {
		sig := caught[n%len(caught)]
		if err := unix.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != sig {
			t.Fatalf("sent %v to the process, caught %v", sig, got)
		}
	}
	close(stop)
	wait.Wait()
}

//go:noinline
func deep(n int, pad [64]byte) int {
	if n == 0 {
		return int(pad[0])
	}
	return deep(n-1, pad) + int(pad[1])
}

func TestIgnoreSignal(t *testing.T) {
	if SignalIgnored(unix.SIGTTIN) {
		t.Error("SIGTTIN is ignored from the start")
	}
	if err := IgnoreSignal(unix.SIGTTIN); err != nil {
		t.Fatal(err)
	}
	defer handle(unix.SIGTTIN, 0, 0)
	if !SignalIgnored(unix.SIGTTIN) {
		t.Error("SIGTTIN is not ignored")
	}
	if err := unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGTTIN); err != nil {
		t.Fatal(err)
	}
}
