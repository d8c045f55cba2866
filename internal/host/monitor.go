package host

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// monitorSlack is how late the monitor may wake up, in nanoseconds. More gains
// nothing, and delays what it is for: to give away the scheduler's places that
// sleeping threads hold.
const monitorSlack = "1000000"

// monitorTries is how many numbers the monitor is looked for at.
const monitorTries = 16

// CalmMonitor lets the Go runtime's monitor thread wake up less often, if the
// caller may (CAP_SYS_NICE). It sleeps for 20 us, which the default slack makes
// some 70, as long as it has not had nothing to do for 50 times, and so takes the
// CPU from a short sandbox throughout its life.
func CalmMonitor() {
	// It is the first thread that the runtime makes, and lives as long as the
	// process. Numbers are given out in order; some may have gone to others
	// that were quicker.
	pid := os.Getpid()
	tid := pid + 1
	for unix.Tgkill(pid, tid, 0) != nil {
		if tid++; tid > pid+monitorTries {
			return
		}
	}
	// The files may show the numbers of another PID name space.
	var self [16]byte
	n, err := unix.Readlink("/proc/self", self[:])
	if err != nil || string(self[:n]) != strconv.Itoa(pid) {
		return
	}
	fd, err := unix.Open("/proc/"+strconv.Itoa(tid)+"/timerslack_ns", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_, _ = unix.Write(fd, []byte(monitorSlack))
	unix.Close(fd)
}
