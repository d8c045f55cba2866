package sandbox

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/dev"
	hostfs "sentinel/internal/fs/host"
	"sentinel/internal/fs/mem"
	"sentinel/internal/fs/overlay"
	"sentinel/internal/fs/proc"
	"sentinel/internal/fs/sys"
	"sentinel/internal/host"
	"sentinel/internal/ipc"
	"sentinel/internal/oci"
	"sentinel/internal/pipe"
	"sentinel/internal/syscalls"
	"sentinel/internal/task"
	"sentinel/internal/tty"
	"sentinel/internal/vfs"
)

// files are the file systems of a sandbox.
type files struct {
	v     *vfs.VFS
	devs  *dev.Devices
	pipes pipe.Pipes
	quota *mem.Quota // of all that is kept in memory
	minor uint32     // last anonymous device number given out

	// Descriptors for the jail's rules.
	read, write []int
}

func (f *files) nextMinor() uint32 {
	f.minor++
	return f.minor
}

// memOptions are those of a file system in memory.
func (f *files) memOptions(o mem.Options) mem.Options {
	o.DevMinor = f.nextMinor()
	o.Quota = f.quota
	o.OpenFIFO, o.OpenDevice = f.pipes.Open, f.devs.Open
	return o
}

// newFiles makes the tree with the root alone in it.
func newFiles(c *Config) (*files, error) {
	f := &files{devs: &dev.Devices{}, minor: 20}
	fd, private, err := host.OpenRoot(c.Root)
	if err != nil {
		return nil, fmt.Errorf("root %s: %w", c.Root, err)
	}
	if !private {
		c.Log.Info("the root is not a mount of its own: no privilege for that", "root", c.Root)
	}
	size := int64(c.OverlaySize)
	if size == 0 {
		size = host.TotalRAM() / 2
		if c.Memory > 0 {
			size = min(size, int64(c.Memory/2))
		}
	}
	// An inode or name is charged to the same budget as pages are.
	f.quota = mem.NewQuota(size, 1<<50, nil)
	root, err := overlay.New(fd, f.memOptions(mem.Options{Size: size, Inodes: 1 << 50}))
	if err != nil {
		return nil, fmt.Errorf("root %s: %w", c.Root, err)
	}
	f.read = append(f.read, fd)
	f.v = vfs.New(root)
	return f, nil
}

// mountAll mounts the usual file systems and those of the configuration.
func (f *files) mountAll(c *Config, k *task.Kernel, ttys *tty.System) error {
	root := f.v.Root().Mount
	f.devs.TTYs = ttys
	release, version, _ := host.Uname()
	total, _ := host.Memory()
	if c.Memory > 0 {
		total = min(total, c.Memory)
	}
	l := &limits{k: k, c: c, quota: f.quota}

	devfs := mem.New(f.memOptions(mem.Options{Name: "tmpfs", Mode: 0o755}))
	if err := f.devs.Populate(devfs.Root().(vfs.DirInode)); err != nil {
		return fmt.Errorf("/dev: %w", err)
	}
	shm := f.memOptions(mem.Options{Mode: 0o1777})
	for _, m := range c.Mounts {
		if m.Type == "tmpfs" && m.Destination == "/dev/shm" && m.Size > 0 {
			shm.Size = int64(m.Size)
		}
	}
	cpus := host.MaxCPU() + 1
	const (
		quiet = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
	)
	for _, m := range []struct {
		at     string
		fs     vfs.FileSystem
		source string
		flags  uint64
	}{
		{"/proc", proc.New(proc.Options{
			Kernel: k, DevMinor: f.nextMinor(), CPUs: cpus, MemTotal: total,
			MemUsed: func() uint64 { return uint64(f.quota.Used()) },
			Release: release, Version: version, TTYs: ttys,
			IPC: func() *ipc.Namespace { return syscalls.IPC(k) },
		}), "proc", quiet},
		{"/sys", sys.New(sys.Config{CPUs: cpus, MemTotal: int64(total), Interfaces: interfaces(k)}, f.nextMinor()), "sysfs", quiet | linux.MS_RDONLY},
		{"/sys/fs/cgroup", sys.NewCgroup(sys.Config{CPUs: cpus, MemTotal: int64(total)}, l, f.nextMinor()), "cgroup", quiet | linux.MS_RDONLY},
		{"/dev", devfs, "udev", linux.MS_NOSUID},
		{"/dev/pts", ttys.Devpts(), "devpts", linux.MS_NOSUID | linux.MS_NOEXEC},
		{"/dev/shm", mem.New(shm), "shm", linux.MS_NOSUID | linux.MS_NODEV},
		{"/dev/mqueue", syscalls.IPC(k).MQ, "mqueue", quiet},
	} {
		if err := f.mount(m.at, m.fs, vfs.MountOptions{Source: m.source, Flags: m.flags}, true); err != nil {
			return err
		}
	}
	for i := range c.Mounts {
		if err := f.mountOne(c, &c.Mounts[i]); err != nil {
			return err
		}
	}
	if c.RootReadonly {
		f.v.Remount(root, linux.MS_RDONLY)
	}
	return nil
}

// mountOne makes a mount of the configuration. The kernel's own file systems
// are there already.
func (f *files) mountOne(c *Config, m *oci.Mount) error {
	flags := uint64(0)
	if m.ReadOnly {
		flags |= linux.MS_RDONLY
	}
	if m.NoExec {
		flags |= linux.MS_NOEXEC
	}
	switch m.Type {
	case "bind":
		fs, isDir, err := f.bind(m)
		if err != nil {
			return fmt.Errorf("bind %s: %w", m.Source, err)
		}
		return f.mount(m.Destination, fs, vfs.MountOptions{Source: m.Source, Flags: flags | linux.MS_NOSUID | linux.MS_NODEV}, isDir)
	case "tmpfs":
		if m.Destination == "/dev" || m.Destination == "/dev/shm" || strings.HasPrefix(m.Destination, "/sys/") {
			return nil
		}
		o := mem.Options{Mode: m.Mode, UID: m.UID, GID: m.GID, Size: int64(m.Size)}
		return f.mount(m.Destination, mem.New(f.memOptions(o)), vfs.MountOptions{Source: "tmpfs", Flags: flags | linux.MS_NOSUID | linux.MS_NODEV}, true)
	}
	c.Log.Debug("mount is there already", "type", m.Type, "destination", m.Destination)
	return nil
}

// bind opens a directory or file of the host.
func (f *files) bind(m *oci.Mount) (fs *hostfs.FS, isDir bool, err error) {
	src, err := filepath.EvalSymlinks(m.Source)
	if err != nil {
		if pe := unwrapPath(err); pe != nil {
			err = pe
		}
		return nil, false, err
	}
	o := hostfs.Options{ReadOnly: m.ReadOnly, DevMinor: f.nextMinor(), OpenFIFO: f.pipes.Open, OpenDevice: f.devs.Open}
	rule, err := host.OpenAny(src)
	if err != nil {
		return nil, false, err
	}
	if m.ReadOnly {
		f.read = append(f.read, rule)
	} else {
		f.write = append(f.write, rule)
	}
	fd, err := host.OpenDir(src)
	name := ""
	if err == linux.ENOTDIR {
		fd, err = host.OpenDir(filepath.Dir(src))
		name = filepath.Base(src)
	}
	if err != nil {
		return nil, false, err
	}
	fs, err = hostfs.New(fd, name, o)
	return fs, name == "", err
}

// mount mounts fs at a path, which is made in memory if it is not there.
func (f *files) mount(at string, fs vfs.FileSystem, o vfs.MountOptions, isDir bool) error {
	ctx := &vfs.Context{}
	p, err := f.v.Lookup(ctx, vfs.Path{}, at, 0)
	if err == linux.ENOENT {
		if err = f.makeMountPoint(ctx, at, isDir); err == nil {
			p, err = f.v.Lookup(ctx, vfs.Path{}, at, 0)
		}
	}
	if err == nil {
		_, err = f.v.Mount(p, fs, o)
	}
	if err != nil {
		return fmt.Errorf("mount %s: %w", at, err)
	}
	return nil
}

func (f *files) makeMountPoint(ctx *vfs.Context, at string, isDir bool) error {
	if err := f.mkdirAll(ctx, path.Dir(at)); err != nil {
		return err
	}
	if isDir {
		return f.v.MkdirAt(ctx, vfs.Path{}, at, 0o755)
	}
	return f.v.MknodAt(ctx, vfs.Path{}, at, linux.S_IFREG|0o644, 0, 0)
}

// mkdirAll makes a directory and its parents.
func (f *files) mkdirAll(ctx *vfs.Context, dir string) error {
	if dir == "/" || dir == "." {
		return nil
	}
	if p, err := f.v.Lookup(ctx, vfs.Path{}, dir, 0); err == nil {
		if p.Dentry.Type() != linux.S_IFDIR {
			return linux.ENOTDIR
		}
		return nil
	}
	if err := f.mkdirAll(ctx, path.Dir(dir)); err != nil {
		return err
	}
	if err := f.v.MkdirAt(ctx, vfs.Path{}, dir, 0o755); err != nil && err != linux.EEXIST {
		return err
	}
	return nil
}
