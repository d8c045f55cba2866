package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/pipe"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

const (
	spliceFlags = linux.SPLICE_F_MOVE | linux.SPLICE_F_NONBLOCK | linux.SPLICE_F_MORE | linux.SPLICE_F_GIFT
	// spliceChunk is how much a splice moves at a time.
	spliceChunk = 64 << 10
)

// spliceLoop calls op until it returns something else than EAGAIN, waiting in
// between for in to be readable and out to be writable; either may be nil.
func spliceLoop(t *task.Task, in, out *vfs.File, nonblock bool, op func() (int, error)) (uint64, error) {
	n, err := op()
	if err == linux.EAGAIN && !nonblock {
		var set pollSet
		if in != nil {
			set.files, set.masks = append(set.files, in), append(set.masks, waiter.Readable|waiter.RdHup)
		}
		if out != nil {
			set.files, set.masks = append(set.files, out), append(set.masks, waiter.Writable)
		}
		berr := t.Block(&set, waiter.All, func() bool {
			n, err = op()
			return err != linux.EAGAIN
		})
		if berr != nil {
			return 0, berr
		}
	}
	if err == linux.EPIPE && out != nil && pipe.Of(out) != nil {
		pipe.Broken(t.Ctx())
	}
	return uint64(n), err
}

// spliceOffset reads the offset at addr. It is -1, the position of f, if addr
// is 0; f must have positions otherwise.
func spliceOffset(t *task.Task, f *vfs.File, addr uint64) (int64, error) {
	if addr == 0 {
		return curPos, nil
	}
	if pipe.Of(f) != nil {
		return 0, linux.ESPIPE
	}
	var off int64
	if err := usermem.CopyInObject(t.Mem(), addr, &off); err != nil {
		return 0, err
	}
	if f.Stream() || off < 0 {
		return 0, linux.EINVAL
	}
	return off, nil
}

// sysSplice implements splice(2).
func sysSplice(t *task.Task, fdIn int32, offIn uint64, fdOut int32, offOut, n uint64, flags uint32) (uint64, error) {
	if n == 0 {
		return 0, nil
	}
	if flags&^spliceFlags != 0 {
		return 0, linux.EINVAL
	}
	in, err := t.FDs().Get(fdIn)
	if err != nil {
		return 0, err
	}
	defer in.DecRef()
	out, err := t.FDs().Get(fdOut)
	if err != nil {
		return 0, err
	}
	defer out.DecRef()
	from, err := spliceOffset(t, in, offIn)
	if err != nil {
		return 0, err
	}
	to, err := spliceOffset(t, out, offOut)
	if err != nil {
		return 0, err
	}
	if !in.Readable() || !out.Writable() {
		return 0, linux.EBADF
	}
	ip, op := pipe.Of(in), pipe.Of(out)
	size := int(min(n, usermem.MaxRW))
	nonblock := flags&linux.SPLICE_F_NONBLOCK != 0
	c := t.Ctx()
	switch {
	case ip != nil && op != nil:
		if ip == op {
			return 0, linux.EINVAL
		}
		nonblock = nonblock || in.NonBlocking() || out.NonBlocking()
		return spliceLoop(t, in, out, nonblock, func() (int, error) { return pipe.Splice(ip, op, size) })
	case ip != nil:
		if out.Flags()&linux.O_APPEND != 0 {
			return 0, linux.EINVAL
		}
		moved, err := spliceLoop(t, in, out, nonblock || in.NonBlocking(), func() (int, error) {
			done := int64(0)
			return ip.SpliceOut(t.Buffer(spliceChunk), size, func(b []byte) (int, error) {
				if to == curPos {
					return out.Write(c, b)
				}
				m, err := out.Pwrite(c, b, to+done)
				done += int64(m)
				return m, err
			})
		})
		return spliceDone(t, offOut, to, moved, err)
	case op != nil:
		moved, err := spliceLoop(t, in, out, nonblock || out.NonBlocking() || in.NonBlocking() && in.Stream(), func() (int, error) {
			done := int64(0)
			return op.SpliceIn(t.Buffer(spliceChunk), size, func(b []byte) (int, error) {
				if from == curPos {
					return in.Read(c, b)
				}
				m, err := in.Pread(c, b, from+done)
				done += int64(m)
				return m, err
			})
		})
		return spliceDone(t, offIn, from, moved, err)
	}
	return 0, linux.EINVAL
}

// spliceDone writes the offset at addr back.
func spliceDone(t *task.Task, addr uint64, off int64, moved uint64, err error) (uint64, error) {
	if err != nil || addr == 0 || moved == 0 {
		return moved, err
	}
	off += int64(moved)
	return moved, usermem.CopyOutObjectLast(t.Mem(), addr, &off)
}

// sysTee implements tee(2).
func sysTee(t *task.Task, fdIn, fdOut int32, n uint64, flags uint32) (uint64, error) {
	if flags&^spliceFlags != 0 {
		return 0, linux.EINVAL
	}
	if n == 0 {
		return 0, nil
	}
	in, err := t.FDs().Get(fdIn)
	if err != nil {
		return 0, err
	}
	defer in.DecRef()
	out, err := t.FDs().Get(fdOut)
	if err != nil {
		return 0, err
	}
	defer out.DecRef()
	if !in.Readable() || !out.Writable() {
		return 0, linux.EBADF
	}
	ip, op := pipe.Of(in), pipe.Of(out)
	if ip == nil || op == nil || ip == op {
		return 0, linux.EINVAL
	}
	size := int(min(n, usermem.MaxRW))
	nonblock := flags&linux.SPLICE_F_NONBLOCK != 0 || in.NonBlocking() || out.NonBlocking()
	return spliceLoop(t, in, out, nonblock, func() (int, error) { return pipe.Tee(ip, op, size) })
}

// sysVmsplice implements vmsplice(2). Pages are copied, not shared.
func sysVmsplice(t *task.Task, fd int32, iov, n uint64, flags uint32) (uint64, error) {
	if flags&^spliceFlags != 0 {
		return 0, linux.EINVAL
	}
	f, err := t.FDs().Get(fd)
	if err != nil {
		return 0, err
	}
	defer f.DecRef()
	p := pipe.Of(f)
	if p == nil {
		return 0, linux.EBADF
	}
	rs, err := usermem.CopyInIovecs(t.Mem(), iov, n)
	if err != nil {
		return 0, err
	}
	size := int(usermem.Total(rs))
	if size == 0 {
		return 0, nil
	}
	b := usermem.Pieces{Mem: t.Mem(), Ranges: rs}
	nonblock := flags&linux.SPLICE_F_NONBLOCK != 0
	if f.Writable() {
		return spliceLoop(t, nil, f, nonblock, func() (int, error) {
			return p.SpliceIn(t.Buffer(spliceChunk), size, b.CopyIn)
		})
	}
	return spliceLoop(t, f, nil, nonblock, func() (int, error) {
		return p.SpliceOut(t.Buffer(spliceChunk), size, b.CopyOut)
	})
}
