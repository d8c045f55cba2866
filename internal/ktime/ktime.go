// Package ktime converts between the times of the Linux ABI and those of Go.
// Reading the clocks is host.ClockGettime's.
package ktime

import (
	"math"
	"time"

	"sentinel/internal/abi/linux"
)

// Units of the ABI.
const (
	NsecPerSec = 1_000_000_000
	UsecPerSec = 1_000_000

	// SecMax is KTIME_SEC_MAX: later times saturate.
	SecMax = math.MaxInt64 / NsecPerSec
	// Forever is KTIME_MAX as a duration.
	Forever = time.Duration(math.MaxInt64)
)

// Valid is timespec64_valid: not negative, and a proper fraction.
func Valid(ts linux.Timespec) bool {
	return ts.Sec >= 0 && uint64(ts.Nsec) < NsecPerSec
}

// ValidItimerspec checks both times as timer_settime(2) does.
func ValidItimerspec(it *linux.Itimerspec) bool { return Valid(it.Interval) && Valid(it.Value) }

// Duration returns ts, saturating as ktime_set does; linux.EINVAL if it is
// negative or its nanoseconds are no fraction.
func Duration(ts linux.Timespec) (time.Duration, error) {
	if !Valid(ts) {
		return 0, linux.EINVAL
	}
	return Saturate(ts), nil
}

// Saturate returns a valid ts as a duration, at most Forever.
func Saturate(ts linux.Timespec) time.Duration {
	if ts.Sec >= SecMax {
		return Forever
	}
	return time.Duration(ts.Sec*NsecPerSec + ts.Nsec)
}

// TimevalDuration is Duration for a timeval.
func TimevalDuration(tv linux.Timeval) (time.Duration, error) {
	if tv.Sec < 0 || uint64(tv.Usec) >= UsecPerSec {
		return 0, linux.EINVAL
	}
	return Saturate(linux.Timespec{Sec: tv.Sec, Nsec: tv.Usec * 1000}), nil
}

// FromDuration returns d as a timespec whose nanoseconds are never negative.
func FromDuration(d time.Duration) linux.Timespec {
	sec, nsec := int64(d)/NsecPerSec, int64(d)%NsecPerSec
	if nsec < 0 {
		sec, nsec = sec-1, nsec+NsecPerSec
	}
	return linux.Timespec{Sec: sec, Nsec: nsec}
}

// TimevalFromDuration is FromDuration for a timeval, rounded down.
func TimevalFromDuration(d time.Duration) linux.Timeval {
	ts := FromDuration(d)
	return linux.Timeval{Sec: ts.Sec, Usec: ts.Nsec / 1000}
}

// FromTime returns t's wall-clock time since the epoch.
func FromTime(t time.Time) linux.Timespec {
	return linux.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// ToTime returns the wall-clock time that ts is since the epoch.
func ToTime(ts linux.Timespec) time.Time { return time.Unix(ts.Sec, ts.Nsec) }

// Deadline returns the moment d from now on the monotonic clock, or the zero
// time, which means no deadline, if it is too far away to ever come.
func Deadline(d time.Duration) time.Time {
	if d > Forever/4 {
		return time.Time{}
	}
	return time.Now().Add(max(d, 0))
}

// Sub returns a-b, saturating. Both are valid.
func Sub(a, b linux.Timespec) time.Duration {
	if a.Sec-b.Sec >= SecMax {
		return Forever
	}
	if a.Sec-b.Sec <= -SecMax {
		return -Forever
	}
	return time.Duration((a.Sec-b.Sec)*NsecPerSec + a.Nsec - b.Nsec)
}
