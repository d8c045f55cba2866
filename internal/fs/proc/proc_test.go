package proc

import (
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/fs/mem"
	"sentinel/internal/task"
	"sentinel/internal/vfs"
)

func newProc(t *testing.T) (*vfs.VFS, *vfs.Context) {
	t.Helper()
	v := vfs.New(mem.New(mem.Options{Mode: 0o755}))
	c := &vfs.Context{Cred: cred.New(0, 0, nil, cred.AllCaps), FS: vfs.NewFSContext(v.Root(), v.Root(), 0)}
	if err := v.MkdirAt(c, vfs.Path{}, "/proc", 0o755); err != nil {
		t.Fatal(err)
	}
	k := task.New(task.Config{VFS: v, Hostname: "box", MemoryLimit: 256 << 20})
	p := New(Options{Kernel: k, CPUs: 2, MemTotal: 1 << 30, Release: "6.1.0", Version: "#1"})
	if _, err := v.MountAt("/proc", p, vfs.MountOptions{Flags: linux.MS_NOSUID}); err != nil {
		t.Fatal(err)
	}
	return v, c
}

func readFile(v *vfs.VFS, c *vfs.Context, path string) (string, error) {
	f, err := v.OpenAt(c, vfs.Path{}, path, 0, 0, 0)
	if err != nil {
		return "", err
	}
	defer f.DecRef()
	var out []byte
	b := make([]byte, 1000)
	for {
		n, err := f.Read(c, b)
		if err != nil {
			return "", err
		}
		if n == 0 {
			return string(out), nil
		}
		out = append(out, b[:n]...)
	}
}

func TestSystemFiles(t *testing.T) {
	v, c := newProc(t)
	for path, want := range map[string]string{
		"/proc/meminfo":                          "MemTotal:         262144 kB\n",
		"/proc/sys/kernel/hostname":              "box\n",
		"/proc/sys/kernel/ostype":                "Linux\n",
		"/proc/sys/kernel/random/boot_id":        "-4",
		"/proc/sys/net/core/somaxconn":           "4096\n",
		"/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
		"/proc/sys/vm/overcommit_memory":         "0\n",
		"/proc/sysvipc/shm":                      "shmid",
		"/proc/version":                          "Linux version 6.1.0 ",
		"/proc/stat":                             "cpu1 ",
		"/proc/cpuinfo":                          "processor\t: 1\n",
		"/proc/loadavg":                          "0.00 0.00 0.00 1/0 0\n",
		"/proc/filesystems":                      "nodev\ttmpfs\n",
	} {
		got, err := readFile(v, c, path)
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %q, %v; want %q in it", path, got, err, want)
		}
	}
	for _, path := range []string{"/proc/1", "/proc/kmsg", "/proc/01", "/proc/sys/kernel/nonesuch", "/proc/self/maps"} {
		if _, err := readFile(v, c, path); err != linux.ENOENT {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestAll reads every file there is, and lists every directory.
func TestAll(t *testing.T) {
	v, c := newProc(t)
	var walk func(dir string)
	walk = func(dir string) {
		f, err := v.OpenAt(c, vfs.Path{}, dir, linux.O_DIRECTORY, 0, 0)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			return
		}
		defer f.DecRef()
		seen := map[string]bool{}
		err = f.ReadDir(c, func(e *vfs.DirEntry) bool {
			if seen[e.Name] {
				t.Errorf("%s: %s twice", dir, e.Name)
			}
			seen[e.Name] = true
			return true
		})
		if err != nil {
			t.Errorf("%s: %v", dir, err)
		}
		for name := range seen {
			path := dir + "/" + name
			if name == "." || name == ".." {
				continue
			}
			a, _, err := v.StatAt(c, vfs.Path{}, path, linux.AT_SYMLINK_NOFOLLOW)
			switch {
			case err != nil:
				t.Errorf("%s: %v", path, err)
			case a.IsDir():
				walk(path)
			case a.Type() == linux.S_IFREG:
				if _, err := readFile(v, c, path); err != nil {
					t.Errorf("%s: %v", path, err)
				}
			}
		}
	}
	walk("/proc")
}

func TestSysctlWrite(t *testing.T) {
	v, c := newProc(t)
	write := func(path, s string) error {
		f, err := v.OpenAt(c, vfs.Path{}, path, linux.O_WRONLY|linux.O_TRUNC, 0, 0)
		if err != nil {
			return err
		}
		defer f.DecRef()
		_, err = f.Write(c, []byte(s))
		return err
	}
	if err := write("/proc/sys/kernel/hostname", "other\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := readFile(v, c, "/proc/sys/kernel/hostname"); got != "other\n" {
		t.Fatalf("%q", got)
	}
	if err := write("/proc/sys/vm/swappiness", "1\n"); err != linux.EPERM {
		t.Fatalf("a fixed setting: %v", err)
	}
	c.Cred = cred.New(1000, 1000, nil, 0)
	if err := write("/proc/sys/kernel/hostname", "x"); err != linux.EACCES {
		t.Fatalf("by a user: %v", err)
	}
}

func TestParseID(t *testing.T) {
	for s, want := range map[string]bool{"0": true, "12": true, "007": false, "-1": false, "+1": false, "": false, "9999999999": false} {
		if _, ok := parseID(s); ok != want {
			t.Errorf("%q: %v", s, ok)
		}
	}
}
