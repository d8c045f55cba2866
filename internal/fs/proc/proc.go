// Package proc is procfs: what the kernel tells of itself and of its processes.
// All of it is the sandbox's own world; of the host it shows the processor
// (cpuinfo) and, as sizes and addresses, the memory of guest processes.
//
// A directory of a process is made anew at each lookup, from tables, so that
// nothing is kept for processes that are not looked at.
//
// Lock order:
//
//	fs/kernfs.fileOps.mu > task.Kernel.mu, mm.MM.mu, mm.Names.mu
//	fs/kernfs.fileOps.mu > vfs.VFS.renameMu, vfs.VFS.mountMu, vfs.stateTable.mu
//	fs/kernfs.fileOps.mu > vfs.FDTable.mu, vfs.FSContext.mu
//	fs/kernfs.fileOps.mu > sock/inet.Stack.mu, sock/inet.Socket.mu, sock/loopback.Stack.mu, sock/unix.Stack.mu
package proc

import (
	"strconv"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/ipc"
	"sentinel/internal/task"
	"sentinel/internal/tty"
	"sentinel/internal/vfs"
)

// Options are what a procfs is made of.
type Options struct {
	Kernel   *task.Kernel
	DevMinor uint32
	CPUs     int
	// MemTotal is the memory of the machine in bytes; the sandbox's limit is
	// shown if that is less.
	MemTotal uint64
	// MemUsed is what the sandbox uses, beside its processes' own memory; nil
	// is nothing.
	MemUsed func() uint64
	// Release and Version are those of uname(2).
	Release, Version string
	TTYs             *tty.System // for /proc/sys/kernel/pty; nil is none
	// IPC returns the System V objects for /proc/sysvipc; nil is none.
	IPC func() *ipc.Namespace
	// Sysctl, if set, handles files of /proc/sys that others own, by path:
	// "kernel/shmmax". Reading with set nil; handled is false for others.
	Sysctl func(path string, set []byte) (value []byte, handled bool, err error)
}

// FS makes the inodes of one procfs.
type FS struct {
	*kernfs.FS
	o Options
	k *task.Kernel
}

// New makes a procfs.
func New(o Options) *FS {
	o.CPUs = max(o.CPUs, 1)
	p := &FS{FS: kernfs.New("proc", linux.PROC_SUPER_MAGIC, o.DevMinor), o: o, k: o.Kernel}
	root := kernfs.NewDir(p.FS, 1, 0o555, p.fillRoot)
	root.Fix()
	root.Dynamic = (*pids)(p)
	p.SetRoot(root)
	return p
}

// caller returns the task behind c.
func caller(c *vfs.Context) *task.Task {
	if c == nil || c.Caller == nil {
		return nil
	}
	t, _ := c.Caller.(*task.Task)
	return t
}

// rootOf returns the caller's root directory, in whose terms paths are shown.
func rootOf(c *vfs.Context) vfs.Path {
	if c != nil && c.FS != nil {
		return c.FS.Root()
	}
	return vfs.Path{}
}

func (p *FS) fillRoot(d *kernfs.Dir) {
	p.addSystem(d)
	p.addLinks(d)
	d.AddDir("bus", 0o555, nil)
	d.AddDir("driver", 0o555, nil)
	d.AddDir("fs", 0o555, nil)
	d.AddDir("irq", 0o555, nil)
	d.AddDir("sys", 0o555, p.fillSysctl)
	d.AddDir("sysvipc", 0o555, p.fillSysV)
	d.AddDir("tty", 0o555, func(d *kernfs.Dir) {
		d.AddDir("driver", 0o555, nil)
		d.AddText("drivers", 0o444, "/dev/tty             /dev/tty        5       0 system:/dev/tty\n"+
			"/dev/console         /dev/console    5       1 system:console\n"+
			"/dev/ptmx            /dev/ptmx       5       2 system\n"+
			"pty_slave            /dev/pts      136 0-1048575 pty:slave\n"+
			"pty_master           /dev/ptm      128 0-1048575 pty:master\n")
		d.AddText("ldiscs", 0o444, "n_tty       0\n")
	})
}

// addLinks adds the links that depend on who looks.
func (p *FS) addLinks(d *kernfs.Dir) {
	link := func(name string, target func(t *task.Task) string) {
		s := kernfs.NewSymlink(p.FS, kernfs.Ino("root", name), func(c *vfs.Context) (string, error) {
			t := caller(c)
			if t == nil {
				return "", linux.ENOENT
			}
			return target(t), nil
		})
		s.Fix()
		d.Add(name, s)
	}
	link("self", func(t *task.Task) string { return itoa(t.PID()) })
	link("thread-self", func(t *task.Task) string { return itoa(t.PID()) + "/task/" + itoa(t.TID()) })
	d.AddLink("mounts", "self/mounts")
	d.AddLink("net", "self/net")
}

// pids is the directories of processes in the root.
type pids FS

func itoa(n int32) string { return strconv.Itoa(int(n)) }

// parseID reads a number as procfs does (name_to_int).
func parseID(s string) (int32, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || len(s) > 1 && s[0] == '0' || s[0] == '+' {
		return 0, false
	}
	return int32(n), true
}

// Lookup implements kernfs.Dynamic. A thread's id leads to its directory
// too, though it is not listed.
func (p *pids) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	id, ok := parseID(name)
	if !ok {
		return nil, linux.ENOENT
	}
	if g := p.k.ThreadGroup(id); g != nil {
		if t := g.Leader(); t != nil && !g.Reaped() {
			return (*FS)(p).processDir(g, t, false, kernfs.Ino("pid", name)), nil
		}
		return nil, linux.ENOENT
	}
	if t := p.k.Task(id); t != nil {
		return (*FS)(p).processDir(t.ThreadGroup(), t, false, kernfs.Ino("pid", name)), nil
	}
	return nil, linux.ENOENT
}

// List implements kernfs.Dynamic.
func (p *pids) List(_ *vfs.Context, from int64, emit func(kernfs.Entry) bool) error {
	for _, g := range p.k.ThreadGroups() {
		if id := int64(g.PID()); id >= from {
			name := itoa(g.PID())
			if !emit(kernfs.Entry{Name: name, Ino: kernfs.Ino("pid", name), Type: linux.DT_DIR, Key: id}) {
				break
			}
		}
	}
	return nil
}
