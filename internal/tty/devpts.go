package tty

import (
	"slices"
	"strconv"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/vfs"
)

// devpts is the file system of pseudo-terminals, as mounted with
// gid=5,mode=620,ptmxmode=666.
type devpts struct {
	sys *System
	fs  *kernfs.FS
}

const (
	ttyGroup = 5 // of slaves, as distributions number it
	rootIno  = 1
	ptmxIno  = 2
	firstIno = 3 // of /dev/pts/0
)

func newDevpts(s *System, devMinor uint32) *devpts {
	d := &devpts{sys: s, fs: kernfs.New("devpts", linux.DEVPTS_SUPER_MAGIC, devMinor)}
	root := kernfs.NewDir(d.fs, rootIno, 0o755, nil)
	root.Dynamic = d
	root.Add("ptmx", kernfs.NewDevice(d.fs, ptmxIno, 0o666, 5, 2, s.OpenMaster))
	d.fs.SetRoot(root)
	return d
}

// Devpts returns the file system to mount on /dev/pts.
func (s *System) Devpts() vfs.FileSystem { return s.fs.fs }

// newNode makes the node of a slave, owned by who opened the master.
func (d *devpts) newNode(c *vfs.Context, t *TTY) *kernfs.Device {
	n := kernfs.NewDevice(d.fs, uint64(t.index)+firstIno, 0o620, t.major, t.minor, t.Open)
	uid := uint32(0)
	if c != nil && c.Cred != nil {
		uid = c.Cred.FSUID
	}
	n.SetOwner(uid, ttyGroup)
	return n
}

// Lookup implements kernfs.Dynamic.
func (d *devpts) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	n, err := strconv.ParseUint(name, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != name {
		return nil, linux.ENOENT
	}
	if t := d.sys.lookup(uint32(n)); t != nil {
		return t.inode, nil
	}
	return nil, linux.ENOENT
}

// List implements kernfs.Dynamic.
func (d *devpts) List(_ *vfs.Context, from int64, emit func(kernfs.Entry) bool) error {
	d.sys.mu.Lock()
	var ids []uint32
	for i := range d.sys.ttys {
		if int64(i) >= from {
			ids = append(ids, i)
		}
	}
	d.sys.mu.Unlock()
	slices.Sort(ids)
	for _, i := range ids {
		if !emit(kernfs.Entry{Name: strconv.Itoa(int(i)), Ino: uint64(i) + firstIno, Type: linux.DT_CHR, Key: int64(i)}) {
			break
		}
	}
	return nil
}
