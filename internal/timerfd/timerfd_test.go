package timerfd

import (
	"encoding/binary"
	"testing"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/ktime"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

func await(f *vfs.File) uint64 {
	ch := make(chan struct{}, 1)
	e := waiter.NewChannelEntry(ch)
	f.EventRegister(e, waiter.In)
	defer f.EventUnregister(e)
	var b [8]byte
	for {
		if _, err := f.Ops.Read(nil, f, b[:], 0); err == nil {
			return binary.NativeEndian.Uint64(b[:])
		}
		<-ch
	}
}

func TestOneShot(t *testing.T) {
	f := New(linux.CLOCK_MONOTONIC, 0)
	defer f.DecRef()
	if f.Readiness(waiter.In) != 0 {
		t.Fatal("a disarmed timer is ready")
	}
	old, err := Of(f).Set(0, &linux.Itimerspec{Value: ktime.FromDuration(time.Millisecond)})
	if err != nil || old != (linux.Itimerspec{}) {
		t.Fatal(old, err)
	}
	if n := await(f); n != 1 {
		t.Fatalf("%d expiries", n)
	}
	if it := Of(f).Get(); it != (linux.Itimerspec{}) {
		t.Fatalf("after expiry: %v", it)
	}
}

func TestInterval(t *testing.T) {
	f := New(linux.CLOCK_BOOTTIME, 0)
	defer f.DecRef()
	tick := ktime.FromDuration(time.Millisecond)
	if _, err := Of(f).Set(0, &linux.Itimerspec{Value: tick, Interval: tick}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	sum := uint64(0)
	for sum < 5 {
		sum += await(f)
	}
	if took := time.Since(start); took < 4*time.Millisecond {
		t.Fatalf("%d expiries in %v", sum, took)
	}
	old, _ := Of(f).Set(0, &linux.Itimerspec{})
	if old.Interval != tick || old.Value == (linux.Timespec{}) {
		t.Fatalf("old setting %v", old)
	}
}

func TestAbsolute(t *testing.T) {
	f := New(linux.CLOCK_REALTIME, 0)
	defer f.DecRef()
	now, _ := host.ClockGettime(linux.CLOCK_REALTIME)
	// In the past with an interval: all missed expiries count.
	it := linux.Itimerspec{Value: linux.Timespec{Sec: now.Sec - 10}, Interval: linux.Timespec{Sec: 1 << 62}}
	if _, err := Of(f).Set(linux.TFD_TIMER_ABSTIME, &it); err != nil {
		t.Fatal(err)
	}
	if n := await(f); n != 1 {
		t.Fatalf("%d expiries", n)
	}
	it.Interval = linux.Timespec{Sec: 2}
	if _, err := Of(f).Set(linux.TFD_TIMER_ABSTIME, &it); err != nil {
		t.Fatal(err)
	}
	if n := await(f); n < 5 {
		t.Fatalf("%d expiries", n)
	}
	it = linux.Itimerspec{Value: linux.Timespec{Sec: now.Sec + 1000}}
	if _, err := Of(f).Set(linux.TFD_TIMER_ABSTIME, &it); err != nil {
		t.Fatal(err)
	}
	if v := Of(f).Get().Value; v.Sec < 900 || v.Sec > 1000 {
		t.Fatalf("remaining %v", v)
	}
}
