// Package dev has the character devices of the sandbox, and fills /dev with
// them. The nodes are ordinary ones of an in-memory file system, which asks
// Devices for the behaviour by device number; so a node that the guest makes
// with mknod behaves the same.
package dev

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/tty"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
)

// Devices opens device nodes.
type Devices struct {
	TTYs    *tty.System
	Console *tty.TTY // behind /dev/console, which gives ENXIO without one
}

// Device numbers, from Documentation/admin-guide/devices.txt.
const (
	majorMem    = 1
	majorTTYAux = 5
	majorPts    = 136 // to 143

	minorNull    = 3
	minorZero    = 5
	minorFull    = 7
	minorRandom  = 8
	minorURandom = 9

	minorTTY     = 0
	minorConsole = 1
	minorPtmx    = 2
)

// Open makes the operations of a device node of type typ; ENXIO if there is no
// such device. It is mem.Options.OpenDevice.
func (d *Devices) Open(_ vfs.Inode, c *vfs.Context, typ, major, minor uint32, flags uint32) (vfs.FileOps, error) {
	if typ != linux.S_IFCHR {
		return nil, linux.ENXIO
	}
	switch {
	case major == majorMem:
		switch minor {
		case minorNull:
			return &null{}, nil
		case minorZero:
			return &zero{}, nil
		case minorFull:
			return &full{}, nil
		case minorRandom, minorURandom:
			return &random{}, nil
		}
	case major == majorTTYAux && d.TTYs != nil:
		switch minor {
		case minorTTY:
			return d.TTYs.OpenCurrent(c, flags)
		case minorConsole:
			if d.Console != nil {
				return d.Console.Open(c, flags|linux.O_NOCTTY)
			}
		case minorPtmx:
			return d.TTYs.OpenMaster(c, flags)
		}
	case major >= majorPts && major < majorPts+8 && d.TTYs != nil:
		return d.TTYs.OpenDevice(c, major, minor, flags)
	}
	return nil, linux.ENXIO
}

// Populate fills the root of a file system that opens its devices by d.Open.
// The directories pts, shm and mqueue are for mounts.
func (d *Devices) Populate(root vfs.DirInode) error {
	nodes := [...]struct {
		name         string
		mode         uint32
		gid          uint32
		major, minor uint32
	}{
		{"null", 0o666, 0, majorMem, minorNull},
		{"zero", 0o666, 0, majorMem, minorZero},
		{"full", 0o666, 0, majorMem, minorFull},
		{"random", 0o666, 0, majorMem, minorRandom},
		{"urandom", 0o666, 0, majorMem, minorURandom},
		{"tty", 0o666, 5, majorTTYAux, minorTTY},
		{"ptmx", 0o666, 5, majorTTYAux, minorPtmx},
		{"console", 0o620, 5, majorTTYAux, minorConsole},
	}
	for _, n := range nodes {
		_, err := root.Create(nil, n.name, &vfs.NewInode{
			Mode: linux.S_IFCHR | n.mode, GID: n.gid, RdevMajor: n.major, RdevMinor: n.minor,
		})
		if err != nil {
			return err
		}
	}
	for _, l := range [...][2]string{
		{"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"},
		{"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"},
	} {
		if _, err := root.Create(nil, l[0], &vfs.NewInode{Mode: linux.S_IFLNK | 0o777, Target: l[1]}); err != nil {
			return err
		}
	}
	for _, m := range [...]struct {
		name string
		mode uint32
	}{{"pts", 0o755}, {"shm", 0o1777}, {"mqueue", 0o1777}} {
		if _, err := root.Create(nil, m.name, &vfs.NewInode{Mode: linux.S_IFDIR | m.mode}); err != nil {
			return err
		}
	}
	return nil
}

// base is what the memory devices share.
type base struct{ vfs.NoFile }

// Seek implements vfs.Seekable: null_lseek leaves the position at 0.
func (base) Seek(*vfs.Context, *vfs.File, int64, int64, int) (int64, error) { return 0, nil }

// null is /dev/null.
type null struct{ base }

// Read implements vfs.FileOps.
func (*null) Read(*vfs.Context, *vfs.File, []byte, int64) (int, error) { return 0, nil }

// Write implements vfs.FileOps.
func (*null) Write(_ *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	return len(src), nil
}

// zero is /dev/zero.
type zero struct{ base }

// Read implements vfs.FileOps.
func (*zero) Read(_ *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	clear(dst)
	return len(dst), nil
}

// Write implements vfs.FileOps.
func (*zero) Write(_ *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	return len(src), nil
}

// Mmap implements vfs.Mappable.
func (*zero) Mmap(*vfs.Context, *vfs.File, int64, int64, int, bool) (vfs.HostMapping, error) {
	return vfs.HostMapping{FD: -1, Anonymous: true}, nil
}

// full is /dev/full.
type full struct{ base }

// Read implements vfs.FileOps.
func (*full) Read(_ *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	clear(dst)
	return len(dst), nil
}

// Write implements vfs.FileOps.
func (*full) Write(*vfs.Context, *vfs.File, []byte, int64) (int, error) { return 0, linux.ENOSPC }

// random is /dev/random and /dev/urandom, which are the same since Linux 5.6.
type random struct{ base }

// Read implements vfs.FileOps.
func (*random) Read(_ *vfs.Context, _ *vfs.File, dst []byte, _ int64) (int, error) {
	if err := host.Random(dst); err != nil {
		return 0, err
	}
	return len(dst), nil
}

// Write implements vfs.FileOps. The host needs no entropy from a guest.
func (*random) Write(_ *vfs.Context, _ *vfs.File, src []byte, _ int64) (int, error) {
	return len(src), nil
}

// Requests of include/uapi/linux/random.h.
const (
	rndGetEntCnt   = 0x80045200
	rndAddToEntCnt = 0x40045201
	rndAddEntropy  = 0x40085203
	rndZapEntCnt   = 0x5204
	rndClearPool   = 0x5206
	rndReseedCRNG  = 0x5207
)

// Ioctl implements vfs.FileOps.
func (*random) Ioctl(c *vfs.Context, _ *vfs.File, cmd uint32, arg uint64) (uint64, error) {
	switch cmd {
	case rndGetEntCnt:
		bits := int32(256)
		return 0, usermem.CopyOutObject(c.Mem, arg, &bits)
	case rndAddToEntCnt, rndAddEntropy, rndZapEntCnt, rndClearPool, rndReseedCRNG:
		return 0, linux.EPERM
	}
	return 0, linux.EINVAL
}
