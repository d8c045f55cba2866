package host

import (
	"bytes"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// LimitAddressSpace sets the soft limit on the size of the address space of the
// guest process that thread tid belongs to.
func LimitAddressSpace(tid int, bytes uint64) error {
	var l unix.Rlimit
	if err := unix.Prlimit(tid, unix.RLIMIT_AS, nil, &l); err != nil {
		return err
	}
	l.Cur = min(bytes, l.Max)
	return unix.Prlimit(tid, unix.RLIMIT_AS, &l, nil)
}

// SetAffinity restricts a guest thread to the CPUs whose bits are set in mask.
func SetAffinity(tid int, mask []byte) error {
	var s unix.CPUSet
	for i := range 8 * len(mask) {
		if mask[i/8]&(1<<(i%8)) != 0 {
			s.Set(i)
		}
	}
	return unix.SchedSetaffinity(tid, &s)
}

// ThreadCPUTime returns the CPU time of a guest thread. Its clock is for its own
// process only.
func ThreadCPUTime(tid int) (time.Duration, error) {
	b, err := ReadProc(tid, "schedstat")
	if err != nil {
		return 0, err
	}
	ns, _, _ := bytes.Cut(b, []byte(" "))
	n, err := strconv.ParseInt(string(ns), 10, 64)
	return time.Duration(n), err
}
