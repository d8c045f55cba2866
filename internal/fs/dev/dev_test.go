package dev

import (
	"bytes"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/fs/mem"
	"sentinel/internal/tty"
	"sentinel/internal/vfs"
)

type jobs struct{}

func (jobs) SignalGroup(int32, int)           {}
func (jobs) SignalLeader(int32, int)          {}
func (jobs) GroupSession(int32) (int32, bool) { return 0, false }
func (jobs) GroupOrphaned(int32) bool         { return false }
func (jobs) ClearTTY(int32, *tty.TTY)         {}

func newTree(t *testing.T) (*vfs.VFS, *vfs.Context) {
	t.Helper()
	ttys := tty.NewSystem(jobs{}, 21)
	d := &Devices{TTYs: ttys}
	root := mem.New(mem.Options{DevMinor: 20, Mode: 0o755, OpenDevice: d.Open})
	if err := d.Populate(root.Root().(vfs.DirInode)); err != nil {
		t.Fatal(err)
	}
	v := vfs.New(root)
	if _, err := v.MountAt("/pts", ttys.Devpts(), vfs.MountOptions{}); err != nil {
		t.Fatal(err)
	}
	c := &vfs.Context{Cred: cred.New(0, 0, nil, cred.AllCaps), FS: vfs.NewFSContext(v.Root(), v.Root(), 0o22)}
	c.FDs = vfs.NewFDTable(v, func() uint64 { return 64 })
	return v, c
}

func open(t *testing.T, v *vfs.VFS, c *vfs.Context, path string, flags uint32) *vfs.File {
	t.Helper()
	f, err := v.OpenAt(c, vfs.Path{}, path, flags, 0o644, 0)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	t.Cleanup(f.DecRef)
	return f
}

func TestMemoryDevices(t *testing.T) {
	v, c := newTree(t)
	b := bytes.Repeat([]byte{1}, 64)
	for _, x := range []struct {
		path     string
		read     int
		writeErr error
		zero     bool
	}{
		{"/null", 0, nil, false}, {"/zero", 64, nil, true}, {"/full", 64, linux.ENOSPC, true},
		{"/random", 64, nil, false}, {"/urandom", 64, nil, false},
	} {
		f := open(t, v, c, x.path, linux.O_RDWR)
		for i := range b {
			b[i] = 1
		}
		if n, err := f.Read(c, b); n != x.read || err != nil {
			t.Errorf("%s: read %d, %v", x.path, n, err)
		}
		if x.zero != bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("%s: read % x", x.path, b)
		}
		if _, err := f.Write(c, b); err != x.writeErr {
			t.Errorf("%s: write: %v", x.path, err)
		}
	}
	if _, err := v.OpenAt(c, vfs.Path{}, "/tty", linux.O_RDWR, 0, 0); err != linux.ENXIO {
		t.Errorf("/tty without a terminal: %v", err)
	}
}

func TestMknod(t *testing.T) {
	v, c := newTree(t)
	if err := v.MknodAt(c, vfs.Path{}, "/mine", linux.S_IFCHR|0o666, 1, 5); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if n, err := open(t, v, c, "/mine", linux.O_RDONLY).Read(c, b); n != 8 || err != nil {
		t.Fatalf("read %d, %v", n, err)
	}
	if err := v.MknodAt(c, vfs.Path{}, "/none", linux.S_IFCHR|0o666, 1, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := v.OpenAt(c, vfs.Path{}, "/none", linux.O_RDONLY, 0, 0); err != linux.ENXIO {
		t.Fatalf("/dev/mem: %v", err)
	}
}

func TestDevpts(t *testing.T) {
	v, c := newTree(t)
	m := open(t, v, c, "/ptmx", linux.O_RDWR)
	if _, err := v.OpenAt(c, vfs.Path{}, "/pts/0", linux.O_RDWR, 0, 0); err != linux.EIO {
		t.Fatalf("locked: %v", err)
	}
	a, _, err := v.StatAt(c, vfs.Path{}, "/pts/0", 0)
	if err != nil || a.Mode != linux.S_IFCHR|0o620 || a.GID != 5 || a.RdevMajor != 136 || a.RdevMinor != 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := v.ChmodAt(c, vfs.Path{}, "/pts/0", 0o600, 0); err != nil {
		t.Fatal(err)
	}
	if a, _, _ = v.StatAt(c, vfs.Path{}, "/pts/0", 0); a.Mode != linux.S_IFCHR|0o600 {
		t.Fatalf("mode %o after chmod", a.Mode)
	}
	names := ""
	err = open(t, v, c, "/pts", linux.O_RDONLY).ReadDir(c, func(e *vfs.DirEntry) bool { names += e.Name + " "; return true })
	if err != nil || names != ". .. ptmx 0 " {
		t.Fatalf("%q, %v", names, err)
	}
	m2 := open(t, v, c, "/pts/ptmx", linux.O_RDWR)
	if _, err := m2.Ops.Ioctl(c, m2, linux.TIOCGPTPEER, linux.O_RDWR|linux.O_NOCTTY); err != linux.EIO {
		t.Fatalf("TIOCGPTPEER while locked: %v", err)
	}
	_ = m
}
