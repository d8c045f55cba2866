package vfs_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
)

var eventNames = []struct {
	bit  uint32
	name string
}{
	{linux.IN_ACCESS, "ACCESS"}, {linux.IN_MODIFY, "MODIFY"}, {linux.IN_ATTRIB, "ATTRIB"},
	{linux.IN_CLOSE_WRITE, "CLOSE_WRITE"}, {linux.IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"}, {linux.IN_OPEN, "OPEN"},
	{linux.IN_MOVED_FROM, "MOVED_FROM"}, {linux.IN_MOVED_TO, "MOVED_TO"}, {linux.IN_CREATE, "CREATE"},
	{linux.IN_DELETE, "DELETE"}, {linux.IN_DELETE_SELF, "DELETE_SELF"}, {linux.IN_MOVE_SELF, "MOVE_SELF"},
	{linux.IN_UNMOUNT, "UNMOUNT"}, {linux.IN_Q_OVERFLOW, "OVERFLOW"}, {linux.IN_IGNORED, "IGNORED"}, {linux.IN_ISDIR, "ISDIR"},
}

// events reads what an instance has, as "wd EVENT|EVENT name".
func events(e *vfstest.Env, f *vfs.File) []string {
	e.T.Helper()
	buf := make([]byte, 1<<20)
	n, err := f.Read(e.C, buf)
	if err == linux.EAGAIN {
		return nil
	}
	e.OK(err)
	var all []string
	for b := buf[:n]; len(b) > 0; {
		mask, l := binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[12:])
		var bits []string
		for _, n := range eventNames {
			if mask&n.bit != 0 {
				bits = append(bits, n.name)
			}
		}
		s := string(rune('0'+b[0])) + " " + strings.Join(bits, "|")
		if name := strings.TrimRight(string(b[16:16+l]), "\x00"); name != "" {
			s += " " + name
		}
		all = append(all, s)
		b = b[16+l:]
	}
	return all
}

// TestInotify has what Linux 6.18 reports on ext4.
func TestInotify(t *testing.T) {
	e := tree{env(t)}
	at := vfs.Path{}
	for _, d := range []string{"/a", "/b", "/a/d"} {
		e.OK(e.Mkdir(d, 0o755))
	}
	for _, c := range []struct {
		name  string
		setup func()
		watch []string
		do    func()
		want  []string
	}{
		{"unlink", func() { e.Write("/a/f", "x") }, []string{"/a", "/a/f"}, func() { e.OK(e.Unlink("/a/f")) },
			[]string{"2 ATTRIB", "2 DELETE_SELF", "2 IGNORED", "1 DELETE f"}},
		{"rename over", func() { e.Write("/a/f", "x"); e.Write("/b/g", "x") }, []string{"/a", "/b", "/a/f", "/b/g"},
			func() { e.OK(e.Rename("/a/f", "/b/g", 0)) },
			[]string{"1 MOVED_FROM f", "2 MOVED_TO g", "4 ATTRIB", "3 MOVE_SELF", "4 DELETE_SELF", "4 IGNORED"}},
		{"rename directory", nil, []string{"/a", "/b", "/a/d"}, func() { e.OK(e.Rename("/a/d", "/b/d", 0)) },
			[]string{"1 MOVED_FROM|ISDIR d", "2 MOVED_TO|ISDIR d", "3 MOVE_SELF"}},
		{"rmdir", nil, []string{"/b", "/b/d"}, func() { e.OK(e.Rmdir("/b/d")) },
			[]string{"2 DELETE_SELF", "2 IGNORED", "1 DELETE|ISDIR d"}},
		{"link", func() { e.Write("/a/f", "x") }, []string{"/a", "/a/f"},
			func() { e.OK(e.Link("/a/f", "/a/f2")); e.OK(e.Unlink("/a/f2")) },
			[]string{"2 ATTRIB", "1 CREATE f2", "2 ATTRIB", "1 DELETE f2"}},
		{"unlink open", nil, []string{"/a", "/a/f"}, func() {
			f := e.Open("/a/f", linux.O_RDWR, 0)
			e.OK(e.Unlink("/a/f"))
			f.Write(e.C, []byte("x"))
			f.Read(e.C, make([]byte, 1))
			f.DecRef()
		}, []string{"1 OPEN f", "2 OPEN", "2 ATTRIB", "1 DELETE f", "1 MODIFY f", "2 MODIFY", "1 CLOSE_WRITE f", "2 CLOSE_WRITE", "2 DELETE_SELF", "2 IGNORED"}},
		{"attributes", func() { e.Write("/a/f", "x") }, []string{"/a", "/a/f"}, func() {
			e.OK(e.VFS.ChmodAt(e.C, at, "/a/f", 0o600, 0))
			e.OK(e.VFS.TruncateAt(e.C, at, "/a/f", 0))
			e.OK(e.VFS.UtimensAt(e.C, at, "/a/f", nil, 0))
			e.OK(e.VFS.ChmodAt(e.C, at, "/a", 0o700, 0))
			e.OK(e.Mkdir("/a/z", 0o755))
			e.OK(e.Symlink("x", "/a/s"))
			e.OK(e.VFS.Setxattr(e.C, e.must("/a/f"), "user.x", []byte("1"), 0))
		}, []string{"1 ATTRIB f", "2 ATTRIB", "1 MODIFY f", "2 MODIFY", "1 ATTRIB f", "2 ATTRIB", "1 ATTRIB|ISDIR", "1 CREATE|ISDIR z", "1 CREATE s", "1 ATTRIB f", "2 ATTRIB"}},
		{"create", nil, []string{"/a"}, func() {
			e.Open("/a/new", linux.O_CREAT|linux.O_TRUNC|linux.O_RDWR, 0o600).DecRef()
			e.Open("/a/new", linux.O_TRUNC|linux.O_RDWR, 0o600).DecRef()
		}, []string{"1 CREATE new", "1 OPEN new", "1 CLOSE_WRITE new", "1 OPEN new", "1 MODIFY new", "1 CLOSE_WRITE new"}},
	} {
		if c.setup != nil {
			c.setup()
		}
		in, err := e.VFS.NewInotify(e.C, linux.IN_NONBLOCK)
		e.OK(err)
		for i, p := range c.watch {
			wd, err := vfs.InotifyAdd(e.C, in, e.must(p), linux.IN_ALL_EVENTS)
			if err != nil || wd != int32(i+1) {
				t.Fatal(wd, err)
			}
		}
		c.do()
		if got := events(e.Env, in); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
		in.DecRef()
	}
}

func TestInotifyWatches(t *testing.T) {
	e := tree{env(t)}
	e.Write("/f", "x")
	e.OK(e.Mkdir("/d", 0o755))
	in, err := e.VFS.NewInotify(e.C, 0)
	e.OK(err)
	defer in.DecRef()
	add := func(p string, mask uint32) (int32, error) { return vfs.InotifyAdd(e.C, in, e.must(p), mask) }
	_, err = add("/f", linux.IN_ONLYDIR|linux.IN_OPEN)
	e.Want(err, linux.ENOTDIR)
	_, err = add("/f", 0)
	e.Want(err, linux.EINVAL)
	wd, err := add("/f", linux.IN_OPEN|linux.IN_ONESHOT)
	e.OK(err)
	_, err = add("/f", linux.IN_OPEN|linux.IN_MASK_CREATE)
	e.Want(err, linux.EEXIST)
	if again, err := add("/f", linux.IN_ATTRIB|linux.IN_MASK_ADD); again != wd || err != nil {
		t.Fatal(again, err)
	}
	e.Read("/f")
	e.Read("/f")
	if got := events(e.Env, in); !slices.Equal(got, []string{"1 OPEN", "1 IGNORED"}) {
		t.Fatalf("%q", got)
	}
	e.Want(vfs.InotifyRemove(in, wd), linux.EINVAL)
	wd, err = add("/d", linux.IN_CREATE)
	e.OK(err)
	for i := range 20000 {
		e.Write("/d/"+string(rune('a'+i%26)), "")
		e.OK(e.Unlink("/d/" + string(rune('a'+i%26))))
	}
	if _, err := in.Read(e.C, make([]byte, 16)); err != linux.EINVAL {
		t.Fatal(err)
	}
	n := 0
	for {
		got := events(e.Env, in)
		if got == nil {
			break
		}
		n += len(got)
		if last := got[len(got)-1]; n > 16384 && last != "ÿ OVERFLOW" && !strings.Contains(last, "OVERFLOW") {
			t.Fatal(last)
		}
	}
	if n != 16385 {
		t.Fatalf("%d events", n)
	}
	e.OK(vfs.InotifyRemove(in, wd))
	if got := events(e.Env, in); !slices.Equal(got, []string{"2 IGNORED"}) {
		t.Fatalf("%q", got)
	}
	// Moved watches follow the inode; unmounting ends them.
	_, err = e.VFS.MountAt("/d", newFS(t), vfs.MountOptions{})
	e.OK(err)
	_, err = add("/d", linux.IN_CREATE)
	e.OK(err)
	e.OK(e.VFS.Unmount(e.must("/d"), false))
	if got := events(e.Env, in); !slices.Equal(got, []string{"3 UNMOUNT", "3 IGNORED"}) {
		t.Fatalf("%q", got)
	}
}

func TestInotifyInstances(t *testing.T) {
	e := env(t)
	var all []*vfs.File
	for range 128 {
		in, err := e.VFS.NewInotify(e.C, 0)
		e.OK(err)
		all = append(all, in)
	}
	if _, err := e.VFS.NewInotify(e.C, 0); err != linux.EMFILE {
		t.Errorf("one too many: %v", err)
	}
	for _, in := range all {
		in.DecRef()
	}
	in, err := e.VFS.NewInotify(e.C, 0)
	e.OK(err)
	in.DecRef()
}
