package vfstest

import (
	"fmt"
	"slices"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/vfs"
)

// Env is a tree with the file system under test at its root, and a task in it.
type Env struct {
	T   testing.TB
	VFS *vfs.VFS
	C   *vfs.Context
}

// New mounts fs and makes a task of root in it.
func New(t testing.TB, fs vfs.FileSystem) *Env {
	v := vfs.New(fs)
	c := &vfs.Context{Cred: cred.New(0, 0, nil, cred.AllCaps), FDs: vfs.NewFDTable(v, nil)}
	c.FS = vfs.NewFSContext(v.Root(), v.Root(), 0o022)
	return &Env{t, v, c}
}

// As returns the environment with the credentials of another user, who has no
// capability.
func (e *Env) As(uid, gid uint32, groups ...uint32) *Env {
	n, c := *e, *e.C
	c.Cred = cred.New(uid, gid, groups, 0)
	n.C = &c
	return &n
}

// OK fails the test if err is not nil.
func (e *Env) OK(err error) {
	e.T.Helper()
	if err != nil {
		e.T.Fatal(name(err))
	}
}

// Want fails the test if err is not want.
func (e *Env) Want(err error, want linux.Errno) {
	e.T.Helper()
	if err != want {
		e.T.Fatalf("got %s, want %s", name(err), want.Name())
	}
}

func name(err error) string {
	if e, ok := err.(linux.Errno); ok {
		return e.Name()
	}
	return fmt.Sprint(err)
}

// Open opens path and fails the test if it cannot.
func (e *Env) Open(path string, flags, mode uint32) *vfs.File {
	e.T.Helper()
	f, err := e.VFS.OpenAt(e.C, vfs.Path{}, path, flags, mode, 0)
	if err != nil {
		e.T.Fatalf("open %s: %s", path, name(err))
	}
	return f
}

// TryOpen opens and closes path and returns the error.
func (e *Env) TryOpen(path string, flags, mode uint32) error {
	f, err := e.VFS.OpenAt(e.C, vfs.Path{}, path, flags, mode, 0)
	if err == nil {
		f.DecRef()
	}
	return err
}

// Write makes path a file with the given content.
func (e *Env) Write(path, text string) {
	e.T.Helper()
	f := e.Open(path, linux.O_WRONLY|linux.O_CREAT|linux.O_TRUNC, 0o644)
	defer f.DecRef()
	if n, err := f.Write(e.C, []byte(text)); err != nil || n != len(text) {
		e.T.Fatalf("write %s: %d, %s", path, n, name(err))
	}
}

// Read returns the content of path.
func (e *Env) Read(path string) string {
	e.T.Helper()
	f := e.Open(path, linux.O_RDONLY, 0)
	defer f.DecRef()
	return e.ReadFile(f)
}

// ReadFile returns what is left to be read of f.
func (e *Env) ReadFile(f *vfs.File) string {
	e.T.Helper()
	var all []byte
	for buf := make([]byte, 4096); ; {
		n, err := f.Read(e.C, buf)
		if err != nil {
			e.T.Fatal(name(err))
		}
		if n == 0 {
			return string(all)
		}
		all = append(all, buf[:n]...)
	}
}

// Stat returns the attributes of path, not following a link at its end.
func (e *Env) Stat(path string) vfs.Attr {
	e.T.Helper()
	a, _, err := e.VFS.StatAt(e.C, vfs.Path{}, path, linux.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		e.T.Fatalf("stat %s: %s", path, name(err))
	}
	return a
}

func (e *Env) typ(path string) uint32 {
	a := e.Stat(path)
	return a.Type()
}

// StatErr returns the error of a stat that follows links.
func (e *Env) StatErr(path string) error {
	_, _, err := e.VFS.StatAt(e.C, vfs.Path{}, path, 0)
	return err
}

// Mkdir, Symlink, Link, Unlink, Rmdir and Rename are the calls of those names
// from the current directory.
func (e *Env) Mkdir(path string, mode uint32) error {
	return e.VFS.MkdirAt(e.C, vfs.Path{}, path, mode)
}

// Symlink makes path a link to target.
func (e *Env) Symlink(target, path string) error {
	return e.VFS.SymlinkAt(e.C, target, vfs.Path{}, path)
}

// Link makes the name path for old.
func (e *Env) Link(old, path string) error {
	return e.VFS.LinkAt(e.C, vfs.Path{}, old, vfs.Path{}, path, 0)
}

// Unlink removes a file.
func (e *Env) Unlink(path string) error { return e.VFS.UnlinkAt(e.C, vfs.Path{}, path, 0) }

// Rmdir removes a directory.
func (e *Env) Rmdir(path string) error {
	return e.VFS.UnlinkAt(e.C, vfs.Path{}, path, linux.AT_REMOVEDIR)
}

// Rename renames with flags.
func (e *Env) Rename(old, path string, flags uint32) error {
	return e.VFS.RenameAt(e.C, vfs.Path{}, old, vfs.Path{}, path, flags)
}

// Names lists a directory, sorted, without "." and "..".
func (e *Env) Names(path string) []string {
	e.T.Helper()
	f := e.Open(path, linux.O_RDONLY|linux.O_DIRECTORY, 0)
	defer f.DecRef()
	var names []string
	e.OK(f.ReadDir(e.C, func(d *vfs.DirEntry) bool {
		names = append(names, d.Name)
		return true
	}))
	slices.Sort(names)
	if len(names) < 2 || names[0] != "." || names[1] != ".." {
		e.T.Fatalf("%s: no dots first in %q", path, names)
	}
	return names[2:]
}
