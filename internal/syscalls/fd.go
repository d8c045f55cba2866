package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

func sysClose(t *task.Task, fd int32) (uint64, error) { return 0, t.FDs().Close(t.Ctx(), fd) }

const (
	closeRangeUnshare = 2
	closeRangeCloexec = 4
)

func sysCloseRange(t *task.Task, first, last, flags uint32) (uint64, error) {
	if flags&^(closeRangeUnshare|closeRangeCloexec) != 0 || first > last {
		return 0, linux.EINVAL
	}
	if flags&closeRangeUnshare != 0 {
		if _, err := sysUnshare(t, linux.CLONE_FILES); err != nil {
			return 0, err
		}
	}
	if flags&closeRangeCloexec != 0 {
		t.FDs().CloexecRange(first, last)
	} else {
		t.FDs().CloseRange(t.Ctx(), first, last)
	}
	return 0, nil
}

func sysDup(t *task.Task, fd int32) (uint64, error) {
	f, err := t.FDs().GetAny(fd)
	if err != nil {
		return 0, err
	}
	n, err := t.FDs().Install(f, false)
	return uint64(n), err
}

func sysDup2(t *task.Task, fd, to int32) (uint64, error) {
	f, err := t.FDs().GetAny(fd)
	if err != nil {
		return 0, err
	}
	if fd == to {
		f.DecRef()
		return uint64(fd), nil
	}
	return uint64(to), t.FDs().InstallAt(to, f, false)
}

func sysDup3(t *task.Task, fd, to int32, flags uint32) (uint64, error) {
	if flags&^linux.O_CLOEXEC != 0 || fd == to {
		return 0, linux.EINVAL
	}
	f, err := t.FDs().GetAny(fd)
	if err != nil {
		return 0, err
	}
	return uint64(to), t.FDs().InstallAt(to, f, flags&linux.O_CLOEXEC != 0)
}

// Commands of fcntl(2) and their structures, include/uapi/asm-generic/fcntl.h.
const (
	fSetSig      = 10
	fGetSig      = 11
	fSetOwnEx    = 15
	fGetOwnEx    = 16
	fSetPipeSize = 1031
	fGetPipeSize = 1032
	fAddSeals    = 1033
	fGetSeals    = 1034
	fGetRWHint   = 1035
	fSetRWHint   = 1036
	fGetFileHint = 1037
	fSetFileHint = 1038
	fDupQuery    = 1027
)

// flock is struct flock.
type flockT struct {
	Type, Whence int16
	_            int32
	Start, Len   int64
	PID          int32
	_            int32
}

// pipeSizer is a pipe; sealer a memfd.
type pipeSizer interface {
	PipeSize() int
	SetPipeSize(c *vfs.Context, n int) (int, error)
}

type sealer interface {
	Seals() (uint32, error)
	AddSeals(f *vfs.File, seals uint32) error
}

func sysFcntl(t *task.Task, fd, cmd int32, arg uint64) (uint64, error) {
	f, err := t.FDs().GetAny(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	if f.Flags()&linux.O_PATH != 0 {
		switch cmd {
		case linux.F_DUPFD, linux.F_DUPFD_CLOEXEC, linux.F_GETFD, linux.F_SETFD, linux.F_GETFL, fDupQuery:
		default:
			return 0, linux.EBADF
		}
	}
	c := t.Ctx()
	switch cmd {
	case linux.F_DUPFD, linux.F_DUPFD_CLOEXEC:
		if arg >= t.Limit(linux.RLIMIT_NOFILE).Cur || arg > 1<<30 {
			return 0, linux.EINVAL
		}
		f.IncRef()
		n, err := t.FDs().InstallFrom(int32(arg), f, cmd == linux.F_DUPFD_CLOEXEC)
		return uint64(n), err
	case linux.F_GETFD:
		on, err := t.FDs().Cloexec(fd)
		return boolVal(on), err
	case linux.F_SETFD:
		return 0, t.FDs().SetCloexec(fd, arg&linux.FD_CLOEXEC != 0)
	case linux.F_GETFL:
		return uint64(f.Flags() | largeFile(f)), nil
	case linux.F_SETFL:
		err := f.SetStatusFlags(c, uint32(arg))
		if err == nil {
			setAsync(t, f, fd)
		}
		return 0, err
	case linux.F_GETLK, linux.F_SETLK, linux.F_SETLKW, linux.F_OFD_GETLK, linux.F_OFD_SETLK, linux.F_OFD_SETLKW:
		return fcntlLock(t, f, cmd, arg)
	case linux.F_SETOWN:
		if int32(arg) == -1<<31 {
			return 0, linux.EINVAL
		}
		f.SetOwner(int32(arg))
		return 0, nil
	case linux.F_GETOWN:
		return uint64(int64(f.Owner())), nil
	case fSetOwnEx:
		var v [2]int32
		if err := usermem.CopyInObject(t.Mem(), arg, &v); err != nil {
			return 0, err
		}
		if v[0] < 0 || v[0] > 2 {
			return 0, linux.EINVAL
		}
		if v[0] == 2 { // F_OWNER_PGRP
			v[1] = -v[1]
		}
		f.SetOwner(v[1])
		return 0, nil
	case fGetOwnEx:
		v := [2]int32{1, f.Owner()}
		if v[1] < 0 {
			v = [2]int32{2, -v[1]}
		}
		return 0, usermem.CopyOutObjectLast(t.Mem(), arg, &v)
	case fSetSig:
		if arg > 64 {
			return 0, linux.EINVAL
		}
		f.SetOwnerSignal(int32(arg))
		return 0, nil
	case fGetSig:
		return uint64(f.OwnerSignal()), nil
	case linux.F_GETLEASE:
		return linux.F_UNLCK, nil
	case linux.F_SETLEASE:
		if int(arg) == linux.F_UNLCK {
			return 0, linux.EAGAIN
		}
		return 0, linux.EINVAL
	case linux.F_NOTIFY:
		return 0, linux.EINVAL
	case fSetPipeSize, fGetPipeSize:
		p, ok := f.Ops.(pipeSizer)
		if !ok {
			return 0, linux.EBADF
		}
		if cmd == fGetPipeSize {
			return uint64(p.PipeSize()), nil
		}
		if arg > 1<<31 {
			return 0, linux.EINVAL
		}
		n, err := p.SetPipeSize(c, int(arg))
		return uint64(n), err
	case fAddSeals, fGetSeals:
		s, ok := f.Ops.(sealer)
		if !ok {
			return 0, linux.EINVAL
		}
		if cmd == fGetSeals {
			v, err := s.Seals()
			return uint64(v), err
		}
		return 0, s.AddSeals(f, uint32(arg))
	case fGetRWHint, fGetFileHint:
		v := uint64(0)
		return 0, usermem.CopyOutObjectLast(t.Mem(), arg, &v)
	case fSetRWHint, fSetFileHint:
		var v uint64
		if err := usermem.CopyInObject(t.Mem(), arg, &v); err != nil {
			return 0, err
		}
		if v > 5 {
			return 0, linux.EINVAL
		}
		return 0, nil
	case fDupQuery:
		g, err := t.FDs().GetAny(int32(arg))
		if err != nil {
			return 0, err
		}
		defer g.DecRef()
		return boolVal(f == g), nil
	}
	return 0, linux.EINVAL
}

// largeFile is O_LARGEFILE, which open sets for every 64-bit program, and which
// descriptors not made by open lack.
func largeFile(f *vfs.File) uint32 {
	if f.Name == "" && f.Flags()&linux.O_PATH == 0 {
		return 0o100000
	}
	return 0
}

func fcntlLock(t *task.Task, f *vfs.File, cmd int32, addr uint64) (uint64, error) {
	var l flockT
	if err := usermem.CopyInObject(t.Mem(), addr, &l); err != nil {
		return 0, err
	}
	ofd := cmd >= linux.F_OFD_GETLK && cmd <= linux.F_OFD_SETLKW
	if ofd && l.PID != 0 {
		return 0, linux.EINVAL
	}
	r := vfs.RecordLock{Type: l.Type, Whence: l.Whence, Start: l.Start, Len: l.Len, PID: t.PID()}
	if cmd != linux.F_GETLK && cmd != linux.F_OFD_GETLK {
		return 0, f.SetLock(t.Ctx(), &r, ofd, cmd == linux.F_SETLKW || cmd == linux.F_OFD_SETLKW)
	}
	if err := f.GetLock(t.Ctx(), &r, ofd); err != nil {
		return 0, err
	}
	if l.Type = r.Type; r.Type != linux.F_UNLCK {
		l = flockT{Type: r.Type, Whence: r.Whence, Start: r.Start, Len: r.Len, PID: r.PID}
	}
	return 0, usermem.CopyOutObjectLast(t.Mem(), addr, &l)
}

func sysFlock(t *task.Task, fd, op int32) (uint64, error) {
	switch op &^ linux.LOCK_NB {
	case linux.LOCK_SH, linux.LOCK_EX, linux.LOCK_UN:
	default:
		return 0, linux.EINVAL
	}
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	return 0, f.Flock(t.Ctx(), int(op))
}

func sysIoctl(t *task.Task, fd int32, cmd uint32, arg uint64) (uint64, error) {
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	switch cmd {
	case linux.FIOCLEX:
		return 0, t.FDs().SetCloexec(fd, true)
	case linux.FIONCLEX:
		return 0, t.FDs().SetCloexec(fd, false)
	case linux.FIONBIO, linux.FIOASYNC:
		var v int32
		if err := usermem.CopyInObject(t.Mem(), arg, &v); err != nil {
			return 0, err
		}
		bit := uint32(linux.O_NONBLOCK)
		if cmd == linux.FIOASYNC {
			bit = linux.O_ASYNC
		}
		flags := f.Flags() &^ bit
		if v != 0 {
			flags |= bit
		}
		err := f.SetStatusFlags(t.Ctx(), flags)
		if err == nil && bit == linux.O_ASYNC {
			setAsync(t, f, fd)
		}
		return 0, err
	}
	if cmd == linux.FIONREAD && f.Path.Dentry.Type() == linux.S_IFREG { // file_ioctl
		a, err := f.Ino.Attr()
		if err != nil {
			return 0, err
		}
		left := int32(a.Size - f.Pos())
		return 0, usermem.CopyOutObjectLast(t.Mem(), arg, &left)
	}
	return f.Ops.Ioctl(t.Ctx(), f, cmd, arg)
}
