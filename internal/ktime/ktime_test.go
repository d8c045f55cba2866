package ktime

import (
	"math"
	"testing"
	"time"

	"sentinel/internal/abi/linux"
)

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		ts  linux.Timespec
		d   time.Duration
		err error
	}{
		{linux.Timespec{Sec: 1, Nsec: 5}, time.Second + 5, nil},
		{linux.Timespec{Sec: math.MaxInt64}, Forever, nil},
		{linux.Timespec{Sec: -1}, 0, linux.EINVAL},
		{linux.Timespec{Nsec: -1}, 0, linux.EINVAL},
		{linux.Timespec{Nsec: NsecPerSec}, 0, linux.EINVAL},
	} {
		if d, err := Duration(c.ts); d != c.d || err != c.err {
			t.Errorf("Duration(%v) = %v, %v; want %v, %v", c.ts, d, err, c.d, c.err)
		}
	}
	if _, err := TimevalDuration(linux.Timeval{Usec: UsecPerSec}); err != linux.EINVAL {
		t.Errorf("TimevalDuration: %v", err)
	}
}

func TestFromDuration(t *testing.T) {
	if got := FromDuration(-1); got != (linux.Timespec{Sec: -1, Nsec: NsecPerSec - 1}) {
		t.Errorf("FromDuration(-1) = %v", got)
	}
	if got := FromDuration(3*time.Second + 7); got != (linux.Timespec{Sec: 3, Nsec: 7}) {
		t.Errorf("FromDuration = %v", got)
	}
}

func TestDeadlineAndSub(t *testing.T) {
	if !Deadline(Forever).IsZero() {
		t.Error("Deadline(Forever) is not zero")
	}
	if Sub(linux.Timespec{Sec: math.MaxInt64}, linux.Timespec{}) != Forever {
		t.Error("Sub does not saturate")
	}
}
