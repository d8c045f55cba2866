package host

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCalmMonitor(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	CalmMonitor()
	after, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil || after != before {
		t.Errorf("the caller's slack went from %d to %d (%v)", before, after, err)
	}
	// The first thread of a process, where no other process took its number,
	// and where we may.
	tid := os.Getpid() + 1
	name := "/proc/" + strconv.Itoa(tid) + "/timerslack_ns"
	if unix.Tgkill(os.Getpid(), tid, 0) != nil || os.WriteFile(name, []byte(monitorSlack), 0) != nil {
		return
	}
	if err := os.WriteFile(name, []byte("50000"), 0); err != nil {
		t.Fatal(err)
	}
	CalmMonitor()
	if b, err := os.ReadFile(name); err != nil || strings.TrimSpace(string(b)) != monitorSlack {
		t.Errorf("the monitor's slack is %q (%v), want %s", b, err, monitorSlack)
	}
}
