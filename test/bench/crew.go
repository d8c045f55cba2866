package main

import (
	"errors"
	"fmt"
	goruntime "runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A place is where processes start.
type place struct {
	oneCPU bool
	quota  float64 // in CPUs, 0 for none
}

// A crew is a number of threads in one place, each of which starts processes and
// waits for them. To enter a cgroup takes long, so they stay there.
type crew struct {
	jobs chan func()
	done sync.WaitGroup
	err  error
}

// newCrew makes a crew of so many; end ends it.
func (b *bench) newCrew(count int, p place) (*crew, error) {
	if p.quota > 0 {
		if b.group == nil {
			return nil, errors.New("no cgroup can be made here")
		}
		if err := b.group.limit(p.quota); err != nil {
			return nil, err
		}
	}
	c := &crew{jobs: make(chan func())}
	entered := make(chan error)
	for range count {
		c.done.Add(1)
		go func() {
			defer c.done.Done()
			goruntime.LockOSThread()
			defer goruntime.UnlockOSThread()
			leave, err := b.enter(p)
			entered <- err
			for job := range c.jobs {
				job()
			}
			if err := leave(); err != nil {
				b.say("a thread stays in the cgroup: %v", err)
				goruntime.LockOSThread() // so it ends with this goroutine
			}
		}()
	}
	for range count {
		c.err = errors.Join(c.err, <-entered)
	}
	if c.err != nil {
		b.endCrew(c, p)
		return nil, c.err
	}
	return c, nil
}

func (b *bench) endCrew(c *crew, p place) {
	close(c.jobs)
	c.done.Wait()
	if p.quota > 0 {
		if err := b.group.limit(0); err != nil {
			b.say("the quota stays: %v", err)
		}
	}
}

// enter brings this thread to a place; leave brings it back.
func (b *bench) enter(p place) (leave func() error, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return func() error { return nil }, err
	}
	leave = func() error {
		err := unix.SchedSetaffinity(0, &all)
		if b.group != nil {
			err = errors.Join(err, b.group.leave())
		}
		return err
	}
	if b.group != nil {
		err = b.group.enter(p.quota > 0)
	}
	if err == nil && p.oneCPU {
		one := firstOf(&all)
		err = unix.SchedSetaffinity(0, &one)
	}
	return leave, err
}

// run has each of count threads call fn, and gives the CPU time of what they
// started. All of that must have ended, or be about to.
func (b *bench) run(c *crew, count int, fn func(slot int)) (time.Duration, error) {
	before, err := b.used()
	if err != nil {
		return 0, err
	}
	var done sync.WaitGroup
	own := make([]time.Duration, count)
	for slot := range count {
		done.Add(1)
		c.jobs <- func() {
			defer done.Done()
			begin := threadTime()
			fn(slot)
			own[slot] = threadTime() - begin
		}
	}
	done.Wait()
	if err := reapAll(); err != nil {
		return 0, err
	}
	after, err := b.used()
	used := after - before
	if b.group != nil && !b.group.v2 {
		for _, d := range own {
			used -= d
		}
	}
	return max(0, used), err
}

// used is the CPU time of all that was started, if need be of all that was waited
// for: which misses whom its parent did not wait for.
func (b *bench) used() (time.Duration, error) {
	if b.group != nil {
		return b.group.used()
	}
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &usage); err != nil {
		return 0, err
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// byCgroup is the way that misses nothing.
const byCgroup = "by a cgroup"

// countedBy tells how CPU time is measured.
func (b *bench) countedBy() string {
	if b.group != nil {
		return byCgroup
	}
	return fmt.Sprintf("by wait4(2), without processes that nobody waited for: %v", b.noGroup)
}
