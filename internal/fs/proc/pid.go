package proc

import (
	"strconv"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/mm"
	"sentinel/internal/task"
	"sentinel/internal/vfs"
)

// process is a directory of a process, or of a thread beneath task/.
type process struct {
	p      *FS
	g      *task.ThreadGroup
	t      *task.Task
	thread bool
	ino    uint64
}

// entry is one file of such a directory.
type entry struct {
	name string
	perm uint32
	// only is 1 for what is in process directories only, 2 for threads.
	only uint8
	// check is for who may open the file: 0 anybody that perm lets, checkRead
	// who may read the process's state.
	check uint8
	// text is what the file holds if there is no read for it.
	text  string
	read  func(d *process, c *vfs.Context) ([]byte, error)
	write func(d *process, c *vfs.Context, data []byte) error
	// node makes what is not a generated file; typ is its DT_*.
	node func(d *process, e *entry, ino uint64) vfs.Inode
	typ  uint8
}

const (
	onlyProcess = 1
	onlyThread  = 2
	checkRead   = 1
)

// entries lists the files, in the order of readdir.
func entries() []entry { return table[:] }

// table has no values that would have to be computed at each start.
var table = [...]entry{
	{name: "task", perm: 0o555, only: onlyProcess, node: (*process).taskDir, typ: linux.DT_DIR},
	{name: "attr", perm: 0o555, node: (*process).attrDir, typ: linux.DT_DIR},
	{name: "auxv", perm: 0o400, check: checkRead, read: (*process).auxv},
	{name: "cgroup", perm: 0o444, text: "0::/\n"},
	{name: "children", perm: 0o444, only: onlyThread, read: (*process).children},
	{name: "cmdline", perm: 0o444, read: (*process).cmdline},
	{name: "comm", perm: 0o644, read: (*process).comm, write: (*process).setComm},
	{name: "coredump_filter", perm: 0o644, only: onlyProcess, text: "00000033\n", write: ignoreWrite},
	{name: "cwd", perm: 0o777, node: (*process).cwdLink, typ: linux.DT_LNK},
	{name: "environ", perm: 0o400, check: checkRead, read: (*process).environ},
	{name: "exe", perm: 0o777, node: (*process).exeLink, typ: linux.DT_LNK},
	{name: "fd", perm: 0o500, node: (*process).fdDir, typ: linux.DT_DIR},
	{name: "fdinfo", perm: 0o555, node: (*process).fdinfoDir, typ: linux.DT_DIR},
	{name: "gid_map", perm: 0o644, text: "         0          0 4294967295\n", write: deny},
	{name: "io", perm: 0o400, check: checkRead, text: "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"},
	{name: "limits", perm: 0o444, read: (*process).limits},
	{name: "loginuid", perm: 0o644, text: "4294967295", write: deny},
	{name: "maps", perm: 0o444, check: checkRead, read: (*process).maps},
	{name: "mem", perm: 0o600, node: (*process).memFile, typ: linux.DT_REG},
	{name: "mountinfo", perm: 0o444, read: (*process).mountinfo},
	{name: "mounts", perm: 0o444, read: (*process).mounts},
	{name: "mountstats", perm: 0o400, only: onlyProcess, read: (*process).mountstats},
	{name: "net", perm: 0o555, node: (*process).netDir, typ: linux.DT_DIR},
	{name: "ns", perm: 0o511, node: (*process).nsDir, typ: linux.DT_DIR},
	{name: "oom_adj", perm: 0o644, read: (*process).oomAdj, write: (*process).setOOMAdj},
	{name: "oom_score", perm: 0o444, read: (*process).oomScore},
	{name: "oom_score_adj", perm: 0o644, read: (*process).oomScoreAdj, write: (*process).setOOMScoreAdj},
	{name: "personality", perm: 0o400, check: checkRead, read: (*process).personality},
	{name: "projid_map", perm: 0o644, text: "         0          0 4294967295\n", write: deny},
	{name: "root", perm: 0o777, node: (*process).rootLink, typ: linux.DT_LNK},
	{name: "sched", perm: 0o644, read: (*process).sched, write: ignoreWrite},
	{name: "schedstat", perm: 0o444, read: (*process).schedstat},
	{name: "sessionid", perm: 0o444, text: "4294967295"},
	{name: "setgroups", perm: 0o644, only: onlyProcess, text: "allow\n", write: deny},
	{name: "smaps", perm: 0o444, check: checkRead, read: (*process).smaps},
	{name: "smaps_rollup", perm: 0o444, only: onlyProcess, check: checkRead, read: (*process).smapsRollup},
	{name: "stack", perm: 0o400, check: checkRead, text: ""},
	{name: "stat", perm: 0o444, read: (*process).stat},
	{name: "statm", perm: 0o444, read: (*process).statm},
	{name: "status", perm: 0o444, read: (*process).status},
	{name: "syscall", perm: 0o400, check: checkRead, read: (*process).syscall},
	{name: "timens_offsets", perm: 0o644, only: onlyProcess, text: "monotonic           0         0\nboottime            0         0\n", write: deny},
	{name: "timers", perm: 0o444, only: onlyProcess, read: (*process).timers},
	{name: "timerslack_ns", perm: 0o666, only: onlyProcess, read: (*process).timerSlack, write: (*process).setTimerSlack},
	{name: "uid_map", perm: 0o644, text: "         0          0 4294967295\n", write: deny},
	{name: "wchan", perm: 0o444, text: "0"},
}

func ignoreWrite(*process, *vfs.Context, []byte) error { return nil }
func deny(*process, *vfs.Context, []byte) error        { return linux.EPERM }

// processDir makes the directory of g or, if thread is set, of its thread t.
func (p *FS) processDir(g *task.ThreadGroup, t *task.Task, thread bool, ino uint64) *kernfs.Dir {
	d := &process{p: p, g: g, t: t, thread: thread, ino: ino}
	dir := kernfs.NewDir(p.FS, ino, 0o555, nil)
	d.own(&dir.Node, true)
	dir.Dynamic = d
	dir.SetParent(1)
	return dir
}

// own gives a node the process's owner (task_dump_owner): root if it is not
// dumpable, but for directories that anybody may read.
func (d *process) own(n *kernfs.Node, open bool) {
	n.Fix()
	if c := d.t.Cred(); c != nil && (open || d.t.Dumpable() == 1) {
		n.SetOwner(c.EUID, c.EGID)
	}
}

func (d *process) skip(e *entry) bool {
	return e.only == onlyProcess && d.thread || e.only == onlyThread && !d.thread
}

// Lookup implements kernfs.Dynamic.
func (d *process) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	if d.g.Reaped() {
		return nil, linux.ENOENT
	}
	es := entries()
	for i := range es {
		if e := &es[i]; e.name == name && !d.skip(e) {
			return d.make(e), nil
		}
	}
	return nil, linux.ENOENT
}

// List implements kernfs.Dynamic.
func (d *process) List(_ *vfs.Context, from int64, emit func(kernfs.Entry) bool) error {
	if d.g.Reaped() {
		return linux.ENOENT
	}
	es := entries()
	for i := int(min(from, int64(len(es)))); i < len(es); i++ {
		e := &es[i]
		if d.skip(e) {
			continue
		}
		typ := e.typ
		if typ == 0 {
			typ = linux.DT_REG
		}
		if !emit(kernfs.Entry{Name: e.name, Ino: kernfs.ChildIno(d.ino, e.name), Type: typ, Key: int64(i)}) {
			break
		}
	}
	return nil
}

func (d *process) make(e *entry) vfs.Inode {
	ino := kernfs.ChildIno(d.ino, e.name)
	if e.node != nil {
		return e.node(d, e, ino)
	}
	f := d.file(ino, e.perm)
	f.ReadFn = func(c *vfs.Context) ([]byte, error) {
		if d.g.Reaped() {
			return nil, linux.ESRCH
		}
		if e.read == nil {
			return []byte(e.text), nil
		}
		return e.read(d, c)
	}
	if e.write != nil {
		f.WriteFn = func(c *vfs.Context, data []byte) error {
			if d.g.Reaped() {
				return linux.ESRCH
			}
			return e.write(d, c, data)
		}
	}
	if e.check == checkRead {
		f.OpenFn = func(c *vfs.Context, _ uint32) error { return d.mayAccess(c) }
	}
	return f
}

func (d *process) file(ino uint64, perm uint32) *kernfs.File {
	f := kernfs.NewFile(d.p.FS, ino, perm, nil)
	d.own(&f.Node, false)
	return f
}

// mayAccess is ptrace_may_access with PTRACE_MODE_READ_FSCREDS.
func (d *process) mayAccess(c *vfs.Context) error {
	t := caller(c)
	if t == nil || t.ThreadGroup() == d.g {
		return nil
	}
	me, it := c.Cred, d.t.Cred()
	if me.Has(cred.CapSysPtrace) {
		return nil
	}
	if it.EUID != me.FSUID || it.SUID != me.FSUID || it.UID != me.FSUID ||
		it.EGID != me.FSGID || it.SGID != me.FSGID || it.GID != me.FSGID ||
		d.t.Dumpable() != 1 || it.Permitted&^me.Permitted != 0 {
		return linux.EACCES
	}
	return nil
}

// mm returns the process's memory; nil for a zombie.
func (d *process) mm() *mm.MM {
	if m := d.t.MM(); m != nil || d.thread {
		return m
	}
	for _, t := range d.g.Tasks() {
		if m := t.MM(); m != nil {
			return m
		}
	}
	return nil
}

// taskDir is task/: a directory for each thread.
func (d *process) taskDir(e *entry, ino uint64) vfs.Inode {
	dir := kernfs.NewDir(d.p.FS, ino, e.perm, nil)
	d.own(&dir.Node, true)
	dir.SetLinks(uint32(len(d.g.Tasks())) + 2)
	dir.SetParent(d.ino)
	dir.Dynamic = &tasks{d: d, ino: ino}
	return dir
}

type tasks struct {
	d   *process
	ino uint64
}

// threads returns the threads, the leader included even if it has exited.
func (s *tasks) threads() []*task.Task {
	ts := s.d.g.Tasks()
	if l := s.d.g.Leader(); l != nil && !s.d.g.Reaped() {
		for _, t := range ts {
			if t == l {
				return ts
			}
		}
		ts = append(ts, l)
	}
	return ts
}

// Lookup implements kernfs.Dynamic.
func (s *tasks) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	id, ok := parseID(name)
	if ok {
		for _, t := range s.threads() {
			if t.TID() == id {
				dir := s.d.p.processDir(s.d.g, t, true, kernfs.ChildIno(s.ino, name))
				dir.SetParent(s.ino)
				return dir, nil
			}
		}
	}
	return nil, linux.ENOENT
}

// List implements kernfs.Dynamic.
func (s *tasks) List(_ *vfs.Context, from int64, emit func(kernfs.Entry) bool) error {
	ids := make([]int32, 0, 8)
	for _, t := range s.threads() {
		ids = append(ids, t.TID())
	}
	return listIDs(ids, s.ino, linux.DT_DIR, from, emit)
}

// attrDir is attr/, as it is without a security module that labels.
func (d *process) attrDir(e *entry, ino uint64) vfs.Inode {
	dir := kernfs.NewDir(d.p.FS, ino, e.perm, func(dir *kernfs.Dir) {
		for _, n := range []string{"current", "exec", "fscreate", "keycreate", "prev", "sockcreate"} {
			perm := uint32(0o666)
			if n == "prev" {
				perm = 0o444
			}
			dir.AddFile(n, perm, func(*vfs.Context) ([]byte, error) { return nil, linux.EINVAL })
		}
	})
	d.own(&dir.Node, true)
	dir.SetParent(d.ino)
	return dir
}

// Name spaces of the sandbox; the numbers are those of the initial ones.
var namespaces = [...]struct {
	name, typ string
	num       uint64
}{
	{"cgroup", "cgroup", 4026531835}, {"ipc", "ipc", 4026531839}, {"mnt", "mnt", 4026531841},
	{"net", "net", 4026531840}, {"pid", "pid", 4026531836}, {"pid_for_children", "pid", 4026531836},
	{"time", "time", 4026531834}, {"time_for_children", "time", 4026531834},
	{"user", "user", 4026531837}, {"uts", "uts", 4026531838},
}

// nsDir is ns/: links that tell which name spaces a process is in.
func (d *process) nsDir(e *entry, ino uint64) vfs.Inode {
	dir := kernfs.NewDir(d.p.FS, ino, e.perm, func(dir *kernfs.Dir) {
		for _, n := range namespaces {
			l := kernfs.NewLink(d.p.FS, kernfs.ChildIno(ino, n.name), 0o777, func(c *vfs.Context) (string, error) {
				if err := d.mayAccess(c); err != nil {
					return "", err
				}
				return n.typ + ":[" + strconv.FormatUint(n.num, 10) + "]", nil
			}, func(c *vfs.Context) (vfs.Path, error) {
				if err := d.mayAccess(c); err != nil {
					return vfs.Path{}, err
				}
				return d.p.nsPath(n.typ, n.num), nil
			})
			d.own(&l.Node, false)
			dir.Add(n.name, l)
		}
	})
	d.own(&dir.Node, true)
	dir.SetParent(d.ino)
	return dir
}

// netDir is net/, the same for all.
func (d *process) netDir(_ *entry, ino uint64) vfs.Inode {
	dir := kernfs.NewDir(d.p.FS, ino, 0o555, nil)
	dir.Fix()
	dir.SetParent(d.ino)
	dir.Dynamic = &netFiles{p: d.p, ino: ino}
	return dir
}
