package syscalls

import (
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/ipc"
	"sentinel/internal/ktime"
	"sentinel/internal/signal"
	"sentinel/internal/sock/netlink"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// sysMqOpen implements mq_open(2). The name has no leading slash: the C library
// takes it away.
func sysMqOpen(t *task.Task, name uint64, flags, mode uint32, attr uint64) (uint64, error) {
	a := ipc.OpenArgs{Flags: flags, Mode: mode & 0o7777 &^ t.FS().Umask(), Limit: t.Limit(linux.RLIMIT_MSGQUEUE).Cur}
	if attr != 0 && flags&linux.O_CREAT != 0 {
		a.Attr = new(linux.MqAttr)
		if err := usermem.CopyInObject(t.Mem(), attr, a.Attr); err != nil {
			return 0, err
		}
	}
	var err error
	if a.Name, err = usermem.CopyInPath(t.Mem(), name); err != nil {
		return 0, err
	}
	f, err := IPC(t.Kernel()).MQ.Open(t.Ctx(), &a)
	if err != nil {
		return 0, err
	}
	fd, err := t.FDs().Install(f, true) // always, as do_mq_open
	return uint64(fd), err
}

// sysMqUnlink implements mq_unlink(2).
func sysMqUnlink(t *task.Task, name uint64) (uint64, error) {
	s, err := usermem.CopyInPath(t.Mem(), name)
	if err != nil {
		return 0, err
	}
	return 0, IPC(t.Kernel()).MQ.Unlink(t.Ctx(), s)
}

// mqDeadline reads an absolute time on CLOCK_REALTIME; addr 0 is none.
func mqDeadline(t *task.Task, addr uint64) (time.Time, error) {
	if addr == 0 {
		return time.Time{}, nil
	}
	var ts linux.Timespec
	if err := usermem.CopyInObject(t.Mem(), addr, &ts); err != nil {
		return time.Time{}, err
	}
	if !ktime.Valid(ts) {
		return time.Time{}, linux.EINVAL
	}
	now, err := host.ClockGettime(linux.CLOCK_REALTIME)
	if err != nil {
		return time.Time{}, err
	}
	return ktime.Deadline(max(ktime.Sub(ts, now), 0)), nil
}

// getQueue returns the queue of a descriptor, with a reference to its file.
func getQueue(t *task.Task, fd int32) (*vfs.File, *ipc.Queue, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return nil, nil, err
	}
	q := ipc.QueueOf(f)
	if q == nil {
		f.DecRef()
		return nil, nil, linux.EBADF
	}
	return f, q, nil
}

// sysMqTimedsend implements mq_timedsend(2).
func sysMqTimedsend(t *task.Task, fd int32, addr, size uint64, prio uint32, timeout uint64) (uint64, error) {
	deadline, err := mqDeadline(t, timeout)
	if err != nil {
		return 0, err
	}
	if prio >= linux.MQ_PRIO_MAX {
		return 0, linux.EINVAL
	}
	f, q, err := getQueue(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if !f.Writable() {
		return 0, linux.EBADF
	}
	if size > uint64(q.MsgSize()) {
		return 0, linux.EMSGSIZE
	}
	data, err := usermem.CopyInBytes(t.Mem(), addr, int(size))
	if err != nil {
		return 0, err
	}
	return 0, q.Send(who(t), prio, data, f.NonBlocking(), blocker(t, deadline))
}

// sysMqTimedreceive implements mq_timedreceive(2).
func sysMqTimedreceive(t *task.Task, fd int32, addr, size, prio, timeout uint64) (uint64, error) {
	deadline, err := mqDeadline(t, timeout)
	if err != nil {
		return 0, err
	}
	f, q, err := getQueue(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if !f.Readable() {
		return 0, linux.EBADF
	}
	if size < uint64(q.MsgSize()) {
		return 0, linux.EMSGSIZE
	}
	data, p, err := q.Receive(f.NonBlocking(), blocker(t, deadline))
	if err != nil {
		return 0, err
	}
	if prio != 0 {
		if err := usermem.CopyOutObject(t.Mem(), prio, &p); err != nil {
			return 0, err
		}
	}
	if len(data) > 0 {
		if _, err := t.Mem().CopyOut(addr, data); err != nil {
			return 0, err
		}
	}
	return uint64(len(data)), nil
}

// notifyThread makes a SIGEV_THREAD notification: the C library's thread waits
// for a cookie at a netlink socket, whose descriptor is in the place of the
// signal number (do_mq_notify in ipc/mqueue.c).
func notifyThread(t *task.Task, ev *linux.Sigevent, n *ipc.Notification) error {
	const (
		cookieLen = 32 // NOTIFY_COOKIE_LEN
		wokenUp   = 1  // NOTIFY_WOKENUP
		removed   = 2  // NOTIFY_REMOVED
	)
	cookie, err := usermem.CopyInBytes(t.Mem(), ev.Value, cookieLen)
	if err != nil {
		return err
	}
	f, s, err := getSocket(t, ev.Signo)
	if err != nil {
		return err
	}
	nl, ok := s.(*netlink.Socket)
	if !ok {
		f.DecRef()
		return linux.EINVAL
	}
	tell := func(what byte) {
		cookie[cookieLen-1] = what
		nl.Deliver(cookie)
		f.DecRef()
	}
	n.Fire = func(ipc.Who) { tell(wokenUp) }
	n.Removed = func() { tell(removed) }
	n.Discard = f.DecRef
	return nil
}

// sysMqNotify implements mq_notify(2).
func sysMqNotify(t *task.Task, fd int32, event uint64) (uint64, error) {
	var n *ipc.Notification
	if event != 0 {
		var ev linux.Sigevent
		if err := usermem.CopyInObject(t.Mem(), event, &ev); err != nil {
			return 0, err
		}
		n = &ipc.Notification{PID: t.PID(), Notify: ev.Notify, Signo: ev.Signo}
		switch ev.Notify {
		case linux.SIGEV_NONE:
		case linux.SIGEV_SIGNAL:
			if !signal.Valid(int(ev.Signo)) {
				return 0, linux.EINVAL
			}
			g := t.ThreadGroup()
			n.Fire = func(sender ipc.Who) {
				// A full queue of signals loses it, as on Linux.
				_ = g.SendInfo(signal.Info{
					Signo: ev.Signo, Code: signal.SIMesgq, PID: sender.PID, UID: sender.Cred.UID, Value: ev.Value,
				})
			}
		case linux.SIGEV_THREAD:
			if err := notifyThread(t, &ev, n); err != nil {
				return 0, err
			}
		default:
			return 0, linux.EINVAL
		}
	}
	f, q, err := getQueue(t, fd)
	if err == nil {
		defer f.DecRef()
		err = q.SetNotify(t.PID(), n)
	}
	if err != nil && n != nil && n.Discard != nil {
		n.Discard()
	}
	return 0, err
}

// sysMqGetsetattr implements mq_getsetattr(2).
func sysMqGetsetattr(t *task.Task, fd int32, newAttr, oldAttr uint64) (uint64, error) {
	var set linux.MqAttr
	if newAttr != 0 {
		if err := usermem.CopyInObject(t.Mem(), newAttr, &set); err != nil {
			return 0, err
		}
		if set.Flags&^linux.O_NONBLOCK != 0 {
			return 0, linux.EINVAL
		}
	}
	f, q, err := getQueue(t, fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	old := q.Attr64()
	old.Flags = int64(f.Flags() & linux.O_NONBLOCK)
	if newAttr != 0 {
		f.StoreFlags(f.Flags()&^linux.O_NONBLOCK | uint32(set.Flags))
	}
	if oldAttr == 0 {
		return 0, nil
	}
	return 0, usermem.CopyOutObjectLast(t.Mem(), oldAttr, &old)
}
