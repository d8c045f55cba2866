package proc

import (
	"strconv"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// nsPath is the place that a link in ns/ leads to: a file of nsfs.
func (p *FS) nsPath(typ string, num uint64) vfs.Path {
	f := kernfs.NewFile(nsfs(), num, 0o444, nil)
	f.Fix()
	f.OpsFn = func(*vfs.Context, uint32) (vfs.FileOps, error) { return nsFile{typ: typ}, nil }
	return vfs.AnonPath(typ+":["+strconv.FormatUint(num, 10)+"]", f)
}

func nsfs() *kernfs.FS { return kernfs.New("nsfs", nsfsMagic, nsfsMinor) }

const (
	nsfsMagic = 0x6e736673
	nsfsMinor = 4
)

// nsFile is an open name space.
type nsFile struct {
	vfs.NoFile
	typ string
}

// Requests of include/uapi/linux/nsfs.h.
const (
	nsGetUserNS   = 0xb701
	nsGetParent   = 0xb702
	nsGetNSType   = 0xb703
	nsGetOwnerUID = 0xb704
)

// Ioctl implements vfs.FileOps.
func (f nsFile) Ioctl(c *vfs.Context, _ *vfs.File, cmd uint32, arg uint64) (uint64, error) {
	switch cmd {
	case nsGetNSType:
		return nsType(f.typ), nil
	case nsGetUserNS, nsGetParent:
		return 0, linux.EPERM // it is outside of the sandbox
	case nsGetOwnerUID:
		if f.typ != "user" {
			return 0, linux.EINVAL
		}
		root := uint32(0)
		return 0, usermem.CopyOutObject(c.Mem, arg, &root)
	}
	return 0, linux.ENOTTY
}

func nsType(typ string) uint64 {
	switch typ {
	case "cgroup":
		return linux.CLONE_NEWCGROUP
	case "ipc":
		return linux.CLONE_NEWIPC
	case "mnt":
		return linux.CLONE_NEWNS
	case "net":
		return linux.CLONE_NEWNET
	case "pid":
		return linux.CLONE_NEWPID
	case "time":
		return linux.CLONE_NEWTIME
	case "user":
		return linux.CLONE_NEWUSER
	}
	return linux.CLONE_NEWUTS
}
