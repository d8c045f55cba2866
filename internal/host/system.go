package host

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// Uname returns release, version and machine of the host's kernel.
func Uname() (release, version, machine string) {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "6.1.0", "#1 SMP", "x86_64"
	}
	return unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Version[:]), unix.ByteSliceToString(u.Machine[:])
}

// Memory returns the host's total and free memory in bytes.
func Memory() (total, free uint64) {
	var i unix.Sysinfo_t
	if unix.Sysinfo(&i) != nil {
		return 0, 0
	}
	unit := uint64(i.Unit)
	return i.Totalram * unit, i.Freeram * unit
}

// NumCPU returns the number of CPUs that the supervisor may use.
func NumCPU() int { return runtime.NumCPU() }
