package vfs_test

import (
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/mem"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
)

// TestTwoKernels: two kernels in one process share a file system, but neither
// its locks nor its watches.
func TestTwoKernels(t *testing.T) {
	fs := mem.New(mem.Options{})
	one, other := vfstest.New(t, fs), vfstest.New(t, fs)
	one.Write("/f", "")
	a, b := one.Open("/f", linux.O_RDWR, 0), other.Open("/f", linux.O_RDWR, 0)
	defer b.DecRef()
	defer a.DecRef()
	one.OK(a.Flock(one.C, linux.LOCK_EX|linux.LOCK_NB))
	other.OK(b.Flock(other.C, linux.LOCK_EX|linux.LOCK_NB))
	lock := &vfs.RecordLock{Type: linux.F_WRLCK}
	one.OK(a.SetLock(one.C, lock, false, false))
	other.OK(b.SetLock(other.C, lock, true, false))
	if s := other.VFS.LocksText(); len(s) == 0 {
		t.Error("/proc/locks is empty")
	}
	other.OK(b.Flock(other.C, linux.LOCK_UN))
	lock.Type = linux.F_UNLCK
	other.OK(b.SetLock(other.C, lock, true, false))
	if s := other.VFS.LocksText(); len(s) != 0 {
		t.Errorf("/proc/locks has the other kernel's: %s", s)
	}

	in, err := other.VFS.NewInotify(other.C, linux.IN_NONBLOCK)
	other.OK(err)
	defer in.DecRef()
	p, err := other.VFS.Lookup(other.C, vfs.Path{}, "/f", 0)
	other.OK(err)
	_, err = vfs.InotifyAdd(other.C, in, p, linux.IN_MODIFY)
	other.OK(err)
	if _, err := a.Write(one.C, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m := in.Readiness(1); m != 0 {
		t.Error("a write in another kernel was told of")
	}
	if _, err := b.Write(other.C, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m := in.Readiness(1); m == 0 {
		t.Error("a write was not told of")
	}
}

// TestLooseFile: a description that no path leads to belongs to the kernel in
// which it was first put into a table.
func TestLooseFile(t *testing.T) {
	e := vfstest.New(t, mem.New(mem.Options{}))
	f := vfs.NewAnonFile(vfs.NoFile{}, "anon_inode:[test]", linux.O_RDWR)
	e.Want(f.Flock(e.C, linux.LOCK_EX|linux.LOCK_NB), linux.ENOLCK)
	fd, err := e.C.FDs.Install(f, false)
	e.OK(err)
	e.OK(f.Flock(e.C, linux.LOCK_EX|linux.LOCK_NB))
	if s := e.VFS.LocksText(); len(s) == 0 {
		t.Error("/proc/locks is empty")
	}
	e.OK(e.C.FDs.Close(e.C, fd))
	if s := e.VFS.LocksText(); len(s) != 0 {
		t.Errorf("/proc/locks after close: %s", s)
	}
}
