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
	tids, err := os.ReadDir("/proc/self/task")
	if err != nil || len(tids) < 2 {
		t.Fatalf("threads %v (%v), want two at least", tids, err)
	}
	tid, _ := strconv.Atoi(tids[1].Name()) // in the order of their birth
	name := "/proc/" + strconv.Itoa(tid) + "/timerslack_ns"
	if tid < os.Getpid() || tid > os.Getpid()+monitorTries || os.WriteFile(name, []byte(monitorSlack), 0) != nil {
		return // the numbers began anew, or are far apart, or we may not
	}
	if err := os.WriteFile(name, []byte("50000"), 0); err != nil {
		t.Fatal(err)
	}
	CalmMonitor()
	if b, err := os.ReadFile(name); err != nil || strings.TrimSpace(string(b)) != monitorSlack {
		t.Errorf("the monitor's slack is %q (%v), want %s", b, err, monitorSlack)
	}
}
