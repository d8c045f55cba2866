package host

import (
	"time"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// Caller is whom the supervisor was started by.
type Caller struct {
	UID, GID uint32
	Groups   []uint32
	Umask    uint32
}

// GetCaller returns the user and umask of this process. It must not run beside
// code that makes files.
func GetCaller() Caller {
	c := Caller{UID: uint32(unix.Geteuid()), GID: uint32(unix.Getegid())}
	gs, err := unix.Getgroups()
	if err == nil {
		for _, g := range gs {
			c.Groups = append(c.Groups, uint32(g))
		}
	}
	c.Umask = uint32(unix.Umask(0))
	unix.Umask(int(c.Umask))
	return c
}

// Limits returns the resource limits of this process by number, before the Go
// runtime raised the one on descriptors, as far as the parent shows.
func Limits() (l [16]linux.Rlimit64) {
	for i := range l {
		var r unix.Rlimit
		if unix.Getrlimit(i, &r) != nil {
			r = unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
		}
		l[i] = linux.Rlimit64{Cur: r.Cur, Max: r.Max}
	}
	nofile := &l[linux.RLIMIT_NOFILE]
	var r unix.Rlimit
	if unix.Prlimit(unix.Getppid(), unix.RLIMIT_NOFILE, nil, &r) == nil && r.Max == nofile.Max {
		nofile.Cur = r.Cur
	} else {
		nofile.Cur = min(nofile.Max, 1024)
	}
	return l
}

// NoCore keeps this process and its children from dumping core.
func NoCore() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// DupFrom duplicates fd to the lowest free descriptor from min on, closed on
// exec.
func DupFrom(fd, min int) (int, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, min)
	return n, errno(err)
}

// Use is what processes have used.
type Use struct {
	CPU    time.Duration
	Peak   uint64 // resident size in bytes, of the largest
	Faults int64  // page faults
	Major  int64  // those of them that had to wait for a disk
}

// Usage returns what this process has used, or its children that have been
// waited for.
func Usage(children bool) Use {
	who := unix.RUSAGE_SELF
	if children {
		who = unix.RUSAGE_CHILDREN
	}
	var r unix.Rusage
	if unix.Getrusage(who, &r) != nil {
		return Use{}
	}
	return Use{
		CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), Peak: uint64(r.Maxrss) << 10,
		Faults: r.Minflt + r.Majflt, Major: r.Majflt,
	}
}
