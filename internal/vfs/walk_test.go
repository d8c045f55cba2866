package vfs_test

import (
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
)

func env(t testing.TB) *vfstest.Env { return vfstest.New(t, newFS(t)) }

func TestWalk(t *testing.T) {
	e := env(t)
	e.OK(e.Mkdir("/a", 0o755))
	e.OK(e.Mkdir("/a/b", 0o755))
	e.Write("/a/b/f", "x")
	e.OK(e.Symlink("/a/b", "/a/abs"))
	e.OK(e.Symlink("b/../b", "/a/rel"))
	e.OK(e.Symlink("abs/f", "/a/nested"))
	e.OK(e.Symlink("f", "/a/b/slash"))
	e.OK(e.Symlink("/", "/a/root"))
	for i := range 42 {
		name := "/l" + string(rune('A'+i))
		target := "/a"
		if i > 0 {
			target = "l" + string(rune('A'+i-1))
		}
		e.OK(e.Symlink(target, name))
	}
	want := e.Stat("/a/b/f").Ino
	for _, p := range []string{
		"/a/b/f", "//a//b///f", "/a/./b/../b/f", "/../../a/b/f", "/a/abs/f", "/a/rel/f", "/a/nested",
		"/a/abs/slash", "/a/root/a/b/f", "/l" + string(rune('A'+39)) + "/b/f",
	} {
		a, _, err := e.VFS.StatAt(e.C, vfs.Path{}, p, 0)
		if err != nil || a.Ino != want {
			t.Errorf("%s: %v, %v", p, a.Ino, err)
		}
	}
	for p, err := range map[string]linux.Errno{
		"": linux.ENOENT, "/a/b/f/": linux.ENOTDIR, "/a/b/f/.": linux.ENOTDIR, "/a/b/f/..": linux.ENOTDIR,
		"/none/..": linux.ENOENT, "/a/nested/": linux.ENOTDIR, "/l" + string(rune('A'+40)): linux.ELOOP,
		"/a/" + strings.Repeat("x", 256):    linux.ENAMETOOLONG,
		strings.Repeat("/a/../", 683):       linux.ENAMETOOLONG,
		strings.Repeat("/a/..", 819)[:4095]: 0,
	} {
		if err == 0 {
			e.OK(e.StatErr(p))
			continue
		}
		e.Want(e.StatErr(p), err)
	}
	// A trailing slash follows a link even where the call does not.
	if a := e.Stat("/a/abs/"); a.Mode&linux.S_IFMT != linux.S_IFDIR {
		t.Fatal("lstat of link/")
	}
	e.Want(e.Unlink("/a/abs/"), linux.ENOTDIR)
	e.Want(e.Unlink("/a/b/f/"), linux.ENOTDIR)
	e.Want(e.Rmdir("/a/."), linux.EINVAL)
	e.Want(e.Rmdir("/a/.."), linux.ENOTEMPTY)
	e.Want(e.Rmdir("/"), linux.EBUSY)
	e.Want(e.Unlink("/"), linux.EISDIR)
	e.Want(e.Mkdir("/", 0o755), linux.EEXIST)
	e.Want(e.Mkdir("/a/..", 0o755), linux.EEXIST)
	e.Want(e.Symlink("x", "/a/new/"), linux.ENOENT)
	e.Want(e.TryOpen("/a/new/", linux.O_CREAT|linux.O_RDWR, 0o600), linux.EISDIR)
	e.Want(e.TryOpen("/a", linux.O_CREAT, 0o600), linux.EISDIR)
	e.Want(e.TryOpen("/a/..", linux.O_CREAT, 0o600), linux.EISDIR)
	e.Want(e.TryOpen("/a", linux.O_WRONLY, 0), linux.EISDIR)
	e.Want(e.TryOpen("/a/b/f", linux.O_DIRECTORY, 0), linux.ENOTDIR)
	e.Want(e.TryOpen("/a/b/slash", linux.O_NOFOLLOW, 0), linux.ELOOP)
	e.Want(e.TryOpen("/a/b/slash", linux.O_CREAT|linux.O_EXCL, 0), linux.EEXIST)
	e.OK(e.TryOpen("/a/b/slash", linux.O_NOFOLLOW|linux.O_PATH, 0))
	e.Want(e.TryOpen("/a", linux.O_CREAT|linux.O_DIRECTORY, 0), linux.EINVAL)
}

func TestResolve(t *testing.T) {
	e := tree{env(t)}
	e.OK(e.Mkdir("/jail", 0o755))
	e.OK(e.Mkdir("/jail/d", 0o755))
	e.Write("/jail/d/f", "")
	e.Write("/f", "")
	e.OK(e.Symlink("/d/f", "/jail/abs"))
	e.OK(e.Symlink("../../f", "/jail/up"))
	e.OK(e.Symlink("d", "/jail/link"))
	_, err := e.VFS.Mount(e.must("/jail/d"), newFS(t), vfs.MountOptions{})
	e.OK(err)
	jail := e.must("/jail")
	for _, c := range []struct {
		path    string
		resolve uint64
		want    linux.Errno
	}{
		{"..", linux.RESOLVE_BENEATH, linux.EXDEV},
		{"d/..", linux.RESOLVE_BENEATH, 0},
		{"/f", linux.RESOLVE_BENEATH, linux.EXDEV},
		{"abs", linux.RESOLVE_BENEATH, linux.EXDEV},
		{"up", linux.RESOLVE_BENEATH, linux.EXDEV},
		{"..", linux.RESOLVE_IN_ROOT, 0},
		{"../../d", linux.RESOLVE_IN_ROOT, 0},
		{"up", linux.RESOLVE_IN_ROOT, linux.ENOENT},
		{"/f", linux.RESOLVE_IN_ROOT, linux.ENOENT},
		{"link", linux.RESOLVE_NO_SYMLINKS, linux.ELOOP},
		{"link", linux.RESOLVE_NO_MAGICLINKS, 0},
		{"d", linux.RESOLVE_NO_XDEV, linux.EXDEV},
		{"link", linux.RESOLVE_NO_XDEV, linux.EXDEV},
		{".", linux.RESOLVE_NO_XDEV, 0},
		{"/f", linux.RESOLVE_NO_XDEV, 0},
		{"d", linux.RESOLVE_CACHED, 0},
		{"never-seen", linux.RESOLVE_CACHED, linux.EAGAIN},
	} {
		f, err := e.VFS.OpenAt(e.C, jail, c.path, linux.O_PATH, 0, c.resolve)
		if err == nil {
			f.DecRef()
			err = linux.Errno(0)
		}
		if err != c.want {
			t.Errorf("%s with %#x: %v, want %v", c.path, c.resolve, err, c.want)
		}
	}
}

// tree adds a walk that must succeed.
type tree struct{ *vfstest.Env }

func (e tree) must(path string) vfs.Path {
	e.T.Helper()
	p, err := e.VFS.Lookup(e.C, vfs.Path{}, path, 0)
	e.OK(err)
	return p
}

func TestChroot(t *testing.T) {
	e := env(t)
	e.OK(e.Mkdir("/new", 0o755))
	e.OK(e.Mkdir("/new/in", 0o755))
	e.OK(e.Mkdir("/out", 0o755))
	e.OK(e.VFS.Chdir(e.C, "/out"))
	e.OK(e.VFS.Chroot(e.C, "/new"))
	if s, _ := e.VFS.Getcwd(e.C); s != "(unreachable)/out" {
		t.Fatal(s)
	}
	e.OK(e.StatErr("/in"))
	e.OK(e.StatErr("/../../in"))
	e.OK(e.StatErr("../new")) // outside already
	e.OK(e.VFS.Chdir(e.C, "/in"))
	if s, _ := e.VFS.Getcwd(e.C); s != "/in" {
		t.Fatal(s)
	}
	e.Want(e.StatErr("../../out"), linux.ENOENT)
	e.OK(e.Rmdir("/in"))
	_, err := e.VFS.Getcwd(e.C)
	e.Want(err, linux.ENOENT)
	e.OK(e.StatErr("."))
	e.OK(e.StatErr(".."))
	e.Want(e.TryOpen("x", linux.O_CREAT, 0o600), linux.ENOENT)
	if s := e.VFS.PathText(e.C.FS.Root(), e.C.FS.Cwd()); s != "/in (deleted)" {
		t.Fatal(s)
	}
	u := e.As(1000, 1000)
	e.Want(u.VFS.Chroot(u.C, "/"), linux.EPERM)
}

func TestMounts(t *testing.T) {
	e := tree{env(t)}
	e.OK(e.Mkdir("/m", 0o755))
	e.Write("/m/under", "")
	m, err := e.VFS.MountAt("/m", newFS(t), vfs.MountOptions{Source: "a b", Flags: linux.MS_NOSUID | linux.MS_NODEV})
	e.OK(err)
	e.Want(e.StatErr("/m/under"), linux.ENOENT)
	e.OK(e.Mkdir("/m/d", 0o755))
	e.Write("/m/d/f", "f")
	e.OK(e.StatErr("/m/d/../../m/d/f"))
	e.Want(e.Rename("/m/d/f", "/f", 0), linux.EXDEV)
	e.Want(e.Link("/m/d/f", "/f"), linux.EXDEV)
	e.Want(e.Rmdir("/m"), linux.EBUSY)
	e.Want(e.Rename("/m", "/n", 0), linux.EBUSY)
	e.OK(e.VFS.Chdir(e.C, "/m/d"))
	if s, err := e.VFS.Getcwd(e.C); s != "/m/d" || err != nil {
		t.Fatal(s, err)
	}
	text := string(e.VFS.MountsText(e.VFS.Root()))
	if !strings.Contains(text, "a\\040b /m tmpfs rw,nosuid,nodev,relatime 0 0\n") || !strings.HasPrefix(text, "tmpfs / tmpfs rw") {
		t.Fatal(text)
	}
	e.OK(e.Mkdir("/b", 0o755))
	b, err := e.VFS.Bind(e.must("/m/d"), e.must("/b"), linux.MS_RDONLY)
	e.OK(err)
	info := string(e.VFS.MountInfoText(e.VFS.Root()))
	if !strings.Contains(info, " /d /b ro,relatime - tmpfs a\\040b") {
		t.Fatal(info)
	}
	if e.Read("/b/f") != "f" {
		t.Fatal("bind")
	}
	e.Want(e.TryOpen("/b/f", linux.O_WRONLY, 0), linux.EROFS)
	e.Want(e.TryOpen("/b/g", linux.O_WRONLY|linux.O_CREAT, 0o600), linux.EROFS)
	e.OK(e.TryOpen("/b/f", linux.O_RDONLY|linux.O_CREAT, 0))
	e.Want(e.Unlink("/b/none"), linux.EROFS)
	e.Want(e.Mkdir("/b/f", 0o755), linux.EEXIST)
	e.Want(e.Mkdir("/b/g", 0o755), linux.EROFS)
	e.Want(e.VFS.ChmodAt(e.C, vfs.Path{}, "/b/f", 0o600, 0), linux.EROFS)
	e.Want(e.VFS.AccessAt(e.C, vfs.Path{}, "/b/f", 2, 0), linux.EROFS)
	e.VFS.Remount(b, 0)
	e.OK(e.Unlink("/b/f"))
	e.Want(e.StatErr("/m/d/f"), linux.ENOENT)
	f := e.Open("/b", linux.O_RDONLY, 0)
	e.Want(e.VFS.Unmount(e.must("/b"), false), linux.EBUSY)
	f.DecRef()
	e.OK(e.VFS.Unmount(e.must("/b"), false))
	e.Want(e.VFS.Unmount(e.must("/b"), false), linux.EINVAL)
	e.OK(e.VFS.Unmount(m.Root(), true))
	e.OK(e.StatErr("/m/under"))
	e.OK(e.Rmdir("/b"))
}

func BenchmarkStat(b *testing.B) {
	e := env(b)
	e.OK(e.Mkdir("/usr", 0o755))
	e.OK(e.Mkdir("/usr/lib", 0o755))
	e.OK(e.Mkdir("/usr/lib/python3", 0o755))
	e.Write("/usr/lib/python3/os.py", "")
	u := e.As(1000, 1000)
	for _, c := range []struct{ name, path string }{{"hit", "/usr/lib/python3/os.py"}, {"miss", "/usr/lib/python3/none.py"}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				u.VFS.StatAt(u.C, vfs.Path{}, c.path, 0)
			}
		})
	}
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f, _ := u.VFS.OpenAt(u.C, vfs.Path{}, "/usr/lib/python3/os.py", 0, 0, 0)
			f.DecRef()
		}
	})
}
