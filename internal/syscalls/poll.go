package syscalls

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/ktime"
	"sentinel/internal/signalfd"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// doPoll is do_sys_poll in fs/select.c. The zero deadline is none. An
// interruption is ERESTARTNOHAND.
func doPoll(t *task.Task, addr uint64, n uint32, now bool, deadline time.Time) (uint64, error) {
	if uint64(n) > t.Limit(linux.RLIMIT_NOFILE).Cur || n > maxPollFDs {
		return 0, linux.EINVAL
	}
	var small [8]linux.PollFD
	fds := small[:0]
	if int(n) > len(small) {
		fds = make([]linux.PollFD, n)
	}
	fds = fds[:n]
	if err := usermem.CopyInSlice(t.Mem(), addr, fds); err != nil {
		return 0, err
	}
	set := pollSet{files: make([]*vfs.File, n), masks: make([]waiter.Mask, n)}
	defer set.release()
	for i := range fds {
		p := &fds[i]
		p.Revents = 0
		if p.FD < 0 {
			continue
		}
		f, err := t.FDs().Get(p.FD)
		if err != nil {
			p.Revents = linux.POLLNVAL
			continue
		}
		signalfd.Bind(f, t)
		set.files[i] = f
		set.masks[i] = waiter.Mask(uint16(p.Events))&waiter.All | waiter.Err | waiter.Hup
	}
	count := 0
	scan := func() bool {
		count = 0
		for i := range fds {
			if f := set.files[i]; f != nil {
				fds[i].Revents = int16(f.Readiness(set.masks[i]) & set.masks[i])
			}
			if fds[i].Revents != 0 {
				count++
			}
		}
		return count > 0
	}
	if !scan() && !now {
		w, mask := set.waitable()
		if err := t.BlockUntil(w, mask, deadline, scan); err != nil && err != linux.ETIMEDOUT {
			return 0, linux.ERESTARTNOHAND
		}
	}
	if n > 0 {
		if err := usermem.CopyOutSliceLast(t.Mem(), addr, fds); err != nil {
			return 0, err
		}
	}
	return uint64(count), nil
}

// maxPollFDs bounds what is allocated on the guest's say; no table is larger.
const maxPollFDs = 1 << 20

// sysPoll implements poll(2).
func sysPoll(t *task.Task, fds uint64, n uint32, timeout int32) (uint64, error) {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(time.Duration(timeout) * time.Millisecond)
	}
	return pollUntil(t, fds, n, timeout == 0, deadline)
}

func pollUntil(t *task.Task, fds uint64, n uint32, now bool, deadline time.Time) (uint64, error) {
	ret, err := doPoll(t, fds, n, now, deadline)
	if err == linux.ERESTARTNOHAND {
		t.SetRestart(func(t *task.Task) (uint64, error) { return pollUntil(t, fds, n, now, deadline) })
		return 0, linux.ERESTART_RESTARTBLOCK
	}
	return ret, err
}

// timeLimit is the timeout of ppoll, pselect6 and select.
type timeLimit struct {
	addr     uint64
	timeval  bool
	now      bool
	start    time.Time
	d        time.Duration
	deadline time.Time
}

// readTimespec reads a timeout for ppoll and pselect6; addr 0 is none.
func readTimespec(t *task.Task, addr uint64) (l timeLimit, err error) {
	if addr == 0 {
		return l, nil
	}
	l.addr = addr
	if l.d, err = copyInTimespec(t, addr); err != nil {
		return l, err
	}
	l.begin()
	return l, nil
}

// readTimeval is readTimespec for select, where microseconds may be more than
// a second.
func readTimeval(t *task.Task, addr uint64) (l timeLimit, err error) {
	if addr == 0 {
		return l, nil
	}
	var tv linux.Timeval
	if err := usermem.CopyInObject(t.Mem(), addr, &tv); err != nil {
		return l, err
	}
	l.addr, l.timeval = addr, true
	ts := linux.Timespec{Sec: tv.Sec + tv.Usec/ktime.UsecPerSec, Nsec: tv.Usec % ktime.UsecPerSec * 1000}
	if l.d, err = ktime.Duration(ts); err != nil {
		return l, err
	}
	l.begin()
	return l, nil
}

func (l *timeLimit) begin() {
	l.now = l.d == 0
	l.start = time.Now()
	l.deadline = ktime.Deadline(l.d)
}

// finish writes the time that is left back, as poll_select_finish does; it is
// no error if that fails.
func (l *timeLimit) finish(t *task.Task) {
	if l.addr == 0 {
		return
	}
	left := max(l.d-time.Since(l.start), 0)
	if l.now {
		left = 0
	}
	if l.timeval {
		tv := ktime.TimevalFromDuration(left)
		_ = usermem.CopyOutObject(t.Mem(), l.addr, &tv)
		return
	}
	ts := ktime.FromDuration(left)
	_ = usermem.CopyOutObject(t.Mem(), l.addr, &ts)
}

// sysPpoll implements ppoll(2).
func sysPpoll(t *task.Task, fds uint64, n uint32, timeout, mask, size uint64) (uint64, error) {
	l, err := readTimespec(t, timeout)
	if err != nil {
		return 0, err
	}
	if err := tempMask(t, mask, size); err != nil {
		return 0, err
	}
	ret, err := doPoll(t, fds, n, l.now, l.deadline)
	l.finish(t)
	return ret, err
}

// Events of the three sets of select (fs/select.c).
const (
	selectIn  = waiter.RdNorm | waiter.RdBand | waiter.In | waiter.Hup | waiter.Err
	selectOut = waiter.WrBand | waiter.WrNorm | waiter.Out | waiter.Err
	selectEx  = waiter.Pri
)

// doSelect is core_sys_select.
func doSelect(t *task.Task, n int32, addrs [3]uint64, l *timeLimit) (uint64, error) {
	if n < 0 {
		return 0, linux.EINVAL
	}
	// Linux silently cuts n to the size of the table, which is 256 in most
	// processes, because a shell is their ancestor.
	n = min(n, max(int32(t.FDs().Size()), 256))
	words := (int(n) + 63) / 64
	var in [3][]uint64
	for k, addr := range addrs {
		in[k] = make([]uint64, words)
		if addr != 0 {
			if err := usermem.CopyInSlice(t.Mem(), addr, in[k]); err != nil {
				return 0, err
			}
		}
	}
	kinds := [3]waiter.Mask{selectIn, selectOut, selectEx}
	var set pollSet
	var fds []int32
	defer func() { set.release() }()
	for fd := range n {
		mask := waiter.Mask(0)
		for k := range in {
			if in[k][fd/64]>>(fd%64)&1 != 0 {
				mask |= kinds[k]
			}
		}
		if mask == 0 {
			continue
		}
		f, err := t.FDs().Get(fd)
		if err != nil {
			return 0, linux.EBADF
		}
		signalfd.Bind(f, t)
		set.files, set.masks, fds = append(set.files, f), append(set.masks, mask), append(fds, fd)
	}
	var out [3][]uint64
	for k := range out {
		out[k] = make([]uint64, words)
	}
	count := 0
	scan := func() bool {
		count = 0
		for i, f := range set.files {
			m, fd := f.Readiness(set.masks[i]), fds[i]
			for k := range in {
				if bit := uint64(1) << (fd % 64); in[k][fd/64]&bit != 0 && m&kinds[k] != 0 {
					out[k][fd/64] |= bit
					count++
				}
			}
		}
		return count > 0
	}
	if !scan() && !l.now {
		w, mask := set.waitable()
		if err := t.BlockUntil(w, mask, l.deadline, scan); err != nil && err != linux.ETIMEDOUT {
			return 0, linux.ERESTARTNOHAND
		}
	}
	for k, addr := range addrs {
		if addr != 0 {
			if err := usermem.CopyOutSlice(t.Mem(), addr, out[k]); err != nil {
				return 0, err
			}
		}
	}
	return uint64(count), nil
}

// sysSelect implements select(2).
func sysSelect(t *task.Task, n int32, in, out, ex, timeout uint64) (uint64, error) {
	l, err := readTimeval(t, timeout)
	if err != nil {
		return 0, err
	}
	ret, err := doSelect(t, n, [3]uint64{in, out, ex}, &l)
	l.finish(t)
	return ret, err
}

// sysPselect6 implements pselect6(2). Its last argument points to the address
// and the size of the signal mask.
func sysPselect6(t *task.Task, n int32, in, out, ex, timeout, sig uint64) (uint64, error) {
	var mask [2]uint64
	if sig != 0 {
		if err := usermem.CopyInSlice(t.Mem(), sig, mask[:]); err != nil {
			return 0, err
		}
	}
	l, err := readTimespec(t, timeout)
	if err != nil {
		return 0, err
	}
	if err := tempMask(t, mask[0], mask[1]); err != nil {
		return 0, err
	}
	ret, err := doSelect(t, n, [3]uint64{in, out, ex}, &l)
	l.finish(t)
	return ret, err
}
