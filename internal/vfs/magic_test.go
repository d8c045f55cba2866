package vfs_test

import (
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/vfs"
)

// proc is a directory that is asked every time, with magic links.
type proc struct {
	fs    *kernfs.FS
	files map[string]*vfs.File
}

func (p *proc) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	if f := p.files[name]; f != nil {
		return kernfs.NewLink(p.fs, 0, 0o777, func(c *vfs.Context) (string, error) {
			return f.PathText(c.FS.Root()), nil
		}, func(*vfs.Context) (vfs.Path, error) { return f.Path, nil }), nil
	}
	if name == "text" {
		return kernfs.NewFile(p.fs, 0, 0o444, func(*vfs.Context) ([]byte, error) { return []byte("text"), nil }), nil
	}
	return nil, linux.ENOENT
}

func (p *proc) List(*vfs.Context, int64, func(kernfs.Entry) bool) error { return nil }

func TestMagicLinks(t *testing.T) {
	e := tree{env(t)}
	e.OK(e.Mkdir("/p", 0o755))
	e.OK(e.Mkdir("/d", 0o755))
	e.Write("/d/f", "content")
	fs := kernfs.New("proc", linux.PROC_SUPER_MAGIC, 30)
	p := &proc{fs, map[string]*vfs.File{}}
	root := kernfs.NewDir(fs, 1, 0o555, nil)
	root.Dynamic = p
	fs.SetRoot(root)
	_, err := e.VFS.MountAt("/p", fs, vfs.MountOptions{})
	e.OK(err)
	p.files["dir"] = e.Open("/d", linux.O_RDONLY, 0)
	p.files["f"] = e.Open("/d/f", linux.O_RDONLY, 0)
	p.files["event"] = vfs.NewAnonFile(vfs.NoFile{}, "anon_inode:[eventfd]", 0)
	tmp, err := e.VFS.OpenAt(e.C, vfs.Path{}, "/d", linux.O_TMPFILE|linux.O_RDWR, 0o600, 0)
	e.OK(err)
	p.files["tmp"] = tmp

	if e.Read("/p/dir/f") != "content" || e.Read("/p/f") != "content" {
		t.Fatal("through a magic link")
	}
	e.OK(e.Unlink("/d/f"))
	if e.Read("/p/f") != "content" {
		t.Fatal("removed, through a magic link")
	}
	for name, want := range map[string]string{"dir": "/d", "f": "/d/f (deleted)", "event": "anon_inode:[eventfd]"} {
		if s, err := e.VFS.ReadlinkAt(e.C, vfs.Path{}, "/p/"+name); s != want || err != nil {
			t.Errorf("%s: %q, %v", name, s, err)
		}
	}
	e.Want(e.TryOpen("/p/event", linux.O_RDWR, 0), linux.ENXIO)
	e.Want(e.StatErr("/p/f/x"), linux.ENOTDIR)
	e.Want(e.TryOpen("/p/dir", linux.O_NOFOLLOW, 0), linux.ELOOP)
	e.OK(e.VFS.LinkAt(e.C, vfs.Path{}, "/p/tmp", vfs.Path{}, "/d/linked", linux.AT_SYMLINK_FOLLOW))
	e.OK(e.StatErr("/d/linked"))
	for resolve, want := range map[uint64]linux.Errno{
		linux.RESOLVE_NO_MAGICLINKS: linux.ELOOP, linux.RESOLVE_NO_SYMLINKS: linux.ELOOP,
		linux.RESOLVE_BENEATH: linux.EXDEV, linux.RESOLVE_IN_ROOT: linux.EXDEV, linux.RESOLVE_NO_XDEV: linux.EXDEV,
	} {
		_, err := e.VFS.OpenAt(e.C, e.must("/p"), "dir", 0, 0, resolve)
		e.Want(err, want)
	}
	// A name that is asked for every time can be mounted on.
	e.Write("/mask", "masked")
	_, err = e.VFS.Bind(e.must("/mask"), e.must("/p/text"), linux.MS_RDONLY)
	e.OK(err)
	if s := e.Read("/p/text"); s != "masked" {
		t.Fatal(s)
	}
	e.OK(e.VFS.Unmount(e.must("/p/text"), false))
	if s := e.Read("/p/text"); s != "text" {
		t.Fatal(s)
	}
}
