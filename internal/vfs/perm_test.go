package vfs_test

import (
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/vfs"
)

func TestPermission(t *testing.T) {
	e := env(t)
	at := vfs.Path{}
	own := func(p string, mode, uid, gid uint32) {
		e.OK(e.VFS.ChownAt(e.C, at, p, uid, gid, 0))
		e.OK(e.VFS.ChmodAt(e.C, at, p, mode, 0))
	}
	file := func(p string, mode, uid, gid uint32) { e.Write(p, "x"); own(p, mode, uid, gid) }
	dir := func(p string, mode, uid, gid uint32) { e.OK(e.Mkdir(p, 0o755)); own(p, mode, uid, gid) }
	u := e.As(1000, 1000, 50)
	file("/owner", 0o077, 1000, 1)
	file("/group", 0o707, 1, 50)
	file("/other", 0o770, 1, 1)
	file("/mine", 0o640, 1000, 1000)
	e.Want(u.TryOpen("/owner", linux.O_RDONLY, 0), linux.EACCES)
	e.Want(u.TryOpen("/group", linux.O_RDONLY, 0), linux.EACCES)
	e.Want(u.TryOpen("/other", linux.O_RDONLY, 0), linux.EACCES)
	e.OK(u.TryOpen("/mine", linux.O_RDWR, 0))
	e.OK(e.TryOpen("/owner", linux.O_RDWR, 0)) // root
	e.Want(u.TryOpen("/other", linux.O_RDONLY|linux.O_CREAT, 0o600), linux.EACCES)
	e.OK(u.TryOpen("/mine", 3, 0)) // for ioctl only

	// Search and change of directories.
	dir("/closed", 0o700, 1, 1)
	dir("/noread", 0o711, 1, 1)
	file("/noread/f", 0o644, 1, 1)
	dir("/sticky", 0o1777, 1, 1)
	file("/sticky/his", 0o666, 2, 2)
	file("/sticky/mine", 0o666, 1000, 1000)
	e.Want(u.StatErr("/closed/none"), linux.EACCES)
	e.Want(u.StatErr("/closed/.."), linux.EACCES)
	e.OK(u.StatErr("/noread/f"))
	e.Want(u.TryOpen("/noread", linux.O_RDONLY, 0), linux.EACCES)
	e.Want(u.Unlink("/noread/f"), linux.EACCES)
	e.Want(u.Unlink("/noread/none"), linux.ENOENT)
	e.Want(u.Mkdir("/noread/d", 0o755), linux.EACCES)
	e.Want(u.Mkdir("/noread/f", 0o755), linux.EEXIST)
	e.Want(u.Unlink("/sticky/his"), linux.EPERM)
	e.Want(u.Rename("/sticky/his", "/sticky/x", 0), linux.EPERM)
	e.Want(u.Rename("/sticky/mine", "/sticky/his", 0), linux.EPERM)
	e.OK(u.Unlink("/sticky/mine"))
	e.OK(e.Unlink("/sticky/his"))

	// Moving a directory of another changes its "..".
	dir("/sticky/a", 0o777, 1000, 1000)
	dir("/sticky/a/d", 0o555, 1000, 1000)
	e.Want(u.Rename("/sticky/a/d", "/sticky/d", 0), linux.EACCES)

	// Execution.
	file("/script", 0o644, 1, 1)
	_, err := e.VFS.OpenExec(e.C, at, "/script", 0)
	e.Want(err, linux.EACCES) // root too
	own("/script", 0o755, 1, 1)
	f, err := u.VFS.OpenExec(u.C, at, "/script", 0)
	e.OK(err)
	e.Want(e.TryOpen("/script", linux.O_WRONLY, 0), linux.ETXTBSY)
	e.Want(e.VFS.TruncateAt(e.C, at, "/script", 0), linux.ETXTBSY)
	f.DecRef()
	w := e.Open("/script", linux.O_WRONLY, 0)
	_, err = e.VFS.OpenExec(e.C, at, "/script", 0)
	e.Want(err, linux.ETXTBSY)
	w.DecRef()
	_, err = e.VFS.OpenExec(e.C, at, "/sticky", 0)
	e.Want(err, linux.EACCES)

	// access(2) asks for the real user.
	c := *e.C
	c.Cred = cred.New(1000, 1000, nil, 0)
	c.Cred.EUID, c.Cred.FSUID, c.Cred.Effective = 0, 0, cred.AllCaps
	e.Want(e.VFS.AccessAt(&c, at, "/other", 4, 0), linux.EACCES)
	e.OK(e.VFS.AccessAt(&c, at, "/other", 4, linux.AT_EACCESS))
	e.Want(e.VFS.AccessAt(&c, at, "/other", 8, 0), linux.EINVAL)
	e.Want(u.VFS.AccessAt(u.C, at, "/closed/x", 0, 0), linux.EACCES)
	e.Want(e.VFS.AccessAt(e.C, at, "/mine", 1, 0), linux.EACCES)
	e.OK(e.VFS.AccessAt(e.C, at, "/sticky", 1, 0))
}

func TestOwnership(t *testing.T) {
	e := env(t)
	at := vfs.Path{}
	e.Write("/f", "x")
	e.OK(e.VFS.ChownAt(e.C, at, "/f", 1000, 1000, 0))
	u := e.As(1000, 1000, 50)
	other := e.As(2000, 2000)
	mode := func(p string) uint32 { return e.Stat(p).Mode & 0o7777 }

	e.Want(other.VFS.ChmodAt(other.C, at, "/f", 0o777, 0), linux.EPERM)
	e.OK(u.VFS.ChmodAt(u.C, at, "/f", 0o6755, 0))
	e.Want(u.VFS.ChownAt(u.C, at, "/f", 2000, ^uint32(0), 0), linux.EPERM)
	e.Want(u.VFS.ChownAt(u.C, at, "/f", ^uint32(0), 60, 0), linux.EPERM)
	e.Want(other.VFS.ChownAt(other.C, at, "/f", 1000, ^uint32(0), 0), linux.EPERM)
	e.OK(u.VFS.ChownAt(u.C, at, "/f", 1000, 50, 0))
	if mode("/f") != 0o755 || e.Stat("/f").GID != 50 {
		t.Fatalf("%o", mode("/f"))
	}
	// A group that one is not in loses the bit.
	e.OK(e.VFS.ChownAt(e.C, at, "/f", 1000, 60, 0))
	e.OK(u.VFS.ChmodAt(u.C, at, "/f", 0o2755, 0))
	if mode("/f") != 0o755 {
		t.Fatalf("%o", mode("/f"))
	}
	// Writing and truncating take set-id bits away, but from root not.
	for _, how := range []func(){
		func() { u.Write("/f", "y") },
		func() { e.OK(u.VFS.TruncateAt(u.C, at, "/f", 1)) },
		func() {
			f := u.Open("/f", linux.O_WRONLY, 0)
			defer f.DecRef()
			f.Write(u.C, []byte("z"))
		},
	} {
		e.OK(e.VFS.ChmodAt(e.C, at, "/f", 0o6755, 0))
		how()
		if mode("/f") != 0o755 {
			t.Fatalf("%o", mode("/f"))
		}
	}
	e.OK(e.VFS.ChmodAt(e.C, at, "/f", 0o6755, 0))
	e.Write("/f", "root")
	if mode("/f") != 0o6755 {
		t.Fatalf("%o", mode("/f"))
	}
	// Directories with set-group-id.
	e.OK(e.Mkdir("/d", 0o777))
	e.OK(e.VFS.ChownAt(e.C, at, "/d", 0, 77, 0))
	e.OK(e.VFS.ChmodAt(e.C, at, "/d", 0o2777, 0))
	u.Write("/d/f", "")
	e.OK(u.Mkdir("/d/sub", 0o755))
	if e.Stat("/d/f").GID != 77 || e.Stat("/d/sub").GID != 77 || mode("/d/sub") != 0o2755 {
		t.Fatalf("%o", mode("/d/sub"))
	}
	e.OK(u.VFS.MknodAt(u.C, at, "/d/g", linux.S_IFREG|0o2775, 0, 0))
	if mode("/d/g")&linux.S_ISGID != 0 {
		t.Fatalf("%o", mode("/d/g"))
	}
	e.Want(u.VFS.MknodAt(u.C, at, "/d/null", linux.S_IFCHR|0o666, 1, 3), linux.EPERM)

	// Times.
	e.OK(e.VFS.ChmodAt(e.C, at, "/f", 0o666, 0))
	e.OK(other.VFS.UtimensAt(other.C, at, "/f", nil, 0))
	e.Want(other.VFS.UtimensAt(other.C, at, "/f", &[2]vfs.Timespec{{Sec: 1}, {Sec: 1}}, 0), linux.EPERM)
	e.OK(e.VFS.ChmodAt(e.C, at, "/f", 0o644, 0))
	e.Want(other.VFS.UtimensAt(other.C, at, "/f", nil, 0), linux.EACCES)
	e.Want(u.VFS.UtimensAt(u.C, at, "/f", &[2]vfs.Timespec{{Nsec: -1}, {}}, 0), linux.EINVAL)
	e.Want(other.TryOpen("/f", linux.O_NOATIME, 0), linux.EPERM)

	// Extended attributes.
	p, err := e.VFS.Lookup(e.C, at, "/f", 0)
	e.OK(err)
	e.Want(other.VFS.Setxattr(other.C, p, "user.a", nil, 0), linux.EACCES)
	e.Want(u.VFS.Setxattr(u.C, p, "trusted.a", nil, 0), linux.EPERM)
	e.OK(e.VFS.Setxattr(e.C, p, "trusted.a", []byte("1"), 0))
	_, err = u.VFS.Getxattr(u.C, p, "trusted.a")
	e.Want(err, linux.ENODATA)
	if l, err := u.VFS.Listxattr(u.C, p); len(l) != 0 || err != nil {
		t.Fatal(l, err)
	}
	e.Want(e.VFS.Setxattr(e.C, p, "bogus.a", nil, 0), linux.EOPNOTSUPP)
	e.Want(e.VFS.Setxattr(e.C, p, "", nil, 0), linux.ERANGE)
	e.OK(e.Symlink("f", "/s"))
	l, err := e.VFS.Lookup(e.C, at, "/s", linux.AT_SYMLINK_NOFOLLOW)
	e.OK(err)
	e.Want(e.VFS.Setxattr(e.C, l, "user.a", nil, 0), linux.EPERM)
}
