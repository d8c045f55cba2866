package syscalls

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/mem"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// copyData moves up to n bytes from in (at *from, or its position if from is
// nil) to out (likewise).
func copyData(t *task.Task, in, out *vfs.File, from, to *int64, n uint64) (uint64, error) {
	c := t.Ctx()
	done := uint64(0)
	for done < n {
		buf := t.Buffer(int(min(n-done, 64<<10)))
		got, err := t.Retry(in, waiter.Readable|waiter.RdHup, in.NonBlocking(), func() (int, error) {
			if from != nil {
				return in.Pread(c, buf, *from)
			}
			return in.Read(c, buf)
		})
		if err != nil || got == 0 {
			if done > 0 {
				err = nil
			}
			return done, err
		}
		sent := 0
		for sent < got {
			m, werr := t.Retry(out, waiter.Writable, out.NonBlocking(), func() (int, error) {
				if to != nil {
					return out.Pwrite(c, buf[sent:got], *to)
				}
				return out.Write(c, buf[sent:got])
			})
			sent += m
			if to != nil {
				*to += int64(m)
			}
			// A file takes less only at a limit. The next call finds out.
			if werr != nil || m == 0 || sent < got && !out.Stream() {
				err = werr
				break
			}
		}
		if from != nil {
			*from += int64(sent)
		} else if sent < got && !in.Stream() {
			in.Seek(c, int64(sent-got), linux.SEEK_CUR)
		}
		done += uint64(sent)
		if err != nil {
			if done > 0 {
				err = nil
			}
			return done, err
		}
		if sent < got {
			break
		}
	}
	return done, nil
}

func sysSendfile(t *task.Task, outFD, inFD int32, offp, count uint64) (uint64, error) {
	in, err := t.FDs().Get(inFD)
	if err != nil {
		return 0, err
	}
	defer in.DecRef()
	out, err := t.FDs().Get(outFD)
	if err != nil {
		return 0, err
	}
	defer out.DecRef()
	if !in.Readable() || !out.Writable() {
		return 0, linux.EBADF
	}
	if in.Stream() || in.Path.Dentry.Type() == linux.S_IFDIR || out.Flags()&linux.O_APPEND != 0 {
		return 0, linux.EINVAL
	}
	count = min(count, usermem.MaxRW)
	if offp == 0 {
		if in != out {
			return copyData(t, in, out, nil, nil, count)
		}
		// Both positions are one, read before and written after.
		from := in.Pos()
		to := from
		n, err := copyData(t, in, out, &from, &to, count)
		in.WithPos(func(int64) int64 { return to })
		return n, err
	}
	var off int64
	if err := usermem.CopyInObject(t.Mem(), offp, &off); err != nil {
		return 0, err
	}
	if off < 0 {
		return 0, linux.EINVAL
	}
	n, err := copyData(t, in, out, &off, nil, count)
	if err != nil {
		return 0, err
	}
	return n, usermem.CopyOutObjectLast(t.Mem(), offp, &off)
}

// offsetArg reads the optional offset of copy_file_range(2).
func offsetArg(t *task.Task, addr uint64, f *vfs.File) (*int64, int64, error) {
	if addr == 0 {
		return nil, f.Pos(), nil
	}
	off := new(int64)
	if err := usermem.CopyInObject(t.Mem(), addr, off); err != nil {
		return nil, 0, err
	}
	if *off < 0 {
		return nil, 0, linux.EINVAL
	}
	return off, *off, nil
}

func sysCopyFileRange(t *task.Task, inFD int32, inOff uint64, outFD int32, outOff, n uint64, flags uint32) (uint64, error) {
	in, err := t.FDs().Get(inFD)
	if err != nil {
		return 0, err
	}
	defer in.DecRef()
	out, err := t.FDs().Get(outFD)
	if err != nil {
		return 0, err
	}
	defer out.DecRef()
	if flags != 0 {
		return 0, linux.EINVAL
	}
	// generic_copy_file_checks.
	var size int64 // of in
	for i, f := range []*vfs.File{in, out} {
		a, err := f.Ino.Attr()
		if err != nil {
			return 0, err
		}
		if a.IsDir() {
			return 0, linux.EISDIR
		}
		if a.Type() != linux.S_IFREG {
			return 0, linux.EINVAL
		}
		if i == 0 {
			size = a.Size
		}
	}
	if !in.Readable() || !out.Writable() || out.Flags()&linux.O_APPEND != 0 {
		return 0, linux.EBADF
	}
	from, a, err := offsetArg(t, inOff, in)
	if err != nil {
		return 0, err
	}
	to, b, err := offsetArg(t, outOff, out)
	if err != nil {
		return 0, err
	}
	n = min(n, usermem.MaxRW, uint64(max(size-a, 0)))
	if in.Ino == out.Ino && a < b+int64(n) && b < a+int64(n) {
		return 0, linux.EINVAL
	}
	done, err := copyData(t, in, out, from, to, n)
	if err != nil {
		return 0, err
	}
	if from != nil {
		if err := usermem.CopyOutObject(t.Mem(), inOff, from); err != nil {
			return 0, err
		}
	}
	if to != nil {
		if err := usermem.CopyOutObject(t.Mem(), outOff, to); err != nil {
			return 0, err
		}
	}
	return done, nil
}

// memfdKey is the key of the file system of memfd files.
type memfdKey struct{}

// Flags of memfd_create(2).
const (
	mfdCloexec      = 1
	mfdAllowSealing = 2
	mfdHugetlb      = 4
	mfdNoexecSeal   = 8
	mfdExec         = 16
)

func sysMemfdCreate(t *task.Task, name uint64, flags uint32) (uint64, error) {
	if flags&mfdHugetlb != 0 {
		return 0, linux.ENOSYS // hugetlbfs is not built in
	}
	if flags&^(mfdCloexec|mfdAllowSealing|mfdNoexecSeal|mfdExec) != 0 || flags&(mfdNoexecSeal|mfdExec) == mfdNoexecSeal|mfdExec {
		return 0, linux.EINVAL
	}
	s, err := usermem.CopyInString(t.Mem(), name, 250)
	if err == linux.ENAMETOOLONG {
		err = linux.EINVAL
	}
	if err != nil {
		return 0, err
	}
	fs := t.Kernel().Ext(memfdKey{}, func() any {
		o := mem.Options{DevMinor: 1}
		if root, ok := t.Kernel().VFS().Root().Dentry.Inode().FileSystem().(*mem.FS); ok {
			o.Quota = root.Quota()
		}
		return mem.New(o)
	}).(*mem.FS)
	f, err := fs.NewMemfd(t.Ctx(), s, flags&mfdAllowSealing != 0, flags&mfdNoexecSeal != 0)
	if err != nil {
		return 0, err
	}
	fd, err := t.FDs().Install(f, flags&mfdCloexec != 0)
	return uint64(fd), err
}
