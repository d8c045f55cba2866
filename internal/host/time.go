package host

import (
	"time"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// ClockGettime reads one of the host's clocks. The CPU-time clocks, which would
// be the supervisor's own, and unknown ones are linux.EINVAL. CLOCK_MONOTONIC
// and CLOCK_REALTIME cost no system call.
func ClockGettime(clock int32) (linux.Timespec, error) {
	switch clock {
	case linux.CLOCK_MONOTONIC:
		n := nanotime()
		return linux.Timespec{Sec: n / 1e9, Nsec: n % 1e9}, nil
	case linux.CLOCK_REALTIME:
		now := time.Now()
		return linux.Timespec{Sec: now.Unix(), Nsec: int64(now.Nanosecond())}, nil
	case linux.CLOCK_REALTIME_ALARM, linux.CLOCK_BOOTTIME_ALARM, linux.CLOCK_BOOTTIME, linux.CLOCK_TAI,
		linux.CLOCK_MONOTONIC_RAW, linux.CLOCK_REALTIME_COARSE, linux.CLOCK_MONOTONIC_COARSE:
		// The alarm clocks fail on a host without a real-time clock device.
		switch clock {
		case linux.CLOCK_REALTIME_ALARM:
			clock = linux.CLOCK_REALTIME
		case linux.CLOCK_BOOTTIME_ALARM:
			clock = linux.CLOCK_BOOTTIME
		}
		var ts unix.Timespec
		if err := unix.ClockGettime(clock, &ts); err != nil {
			return linux.Timespec{}, linux.EINVAL
		}
		return linux.Timespec{Sec: ts.Sec, Nsec: ts.Nsec}, nil
	}
	return linux.Timespec{}, linux.EINVAL
}

// ClockGetres returns the resolution of a clock, also of the CPU-time ones.
func ClockGetres(clock int32) (linux.Timespec, error) {
	var ts unix.Timespec
	if err := unix.ClockGetres(clock, &ts); err != nil {
		return linux.Timespec{}, linux.EINVAL
	}
	return linux.Timespec{Sec: ts.Sec, Nsec: ts.Nsec}, nil
}

// Monotonic returns CLOCK_MONOTONIC in nanoseconds, without a system call.
func Monotonic() int64 { return nanotime() }
