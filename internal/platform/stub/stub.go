// Package stub holds the small static program from which guest processes
// start, and starts it. It is built by gen.sh from stub_amd64.S and committed;
// a test checks that a rebuild gives the same bytes.
package stub

import (
	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// The range of addresses that belongs to the stub in every guest process.
const (
	Start = 0x6ffe00000000
	End   = 0x6ffe00014000
)

// Entry points. See stub_amd64.S for what each expects in registers.
const (
	textBase = Start + 0x1000
	Hold     = textBase + 0x100
	Call     = textBase + 0x140
	Clone    = textBase + 0x180
	CAS      = textBase + 0x1c0
	MapFile  = textBase + 0x200
	Batch    = textBase + 0x280
	textEnd  = textBase + 0x1000
)

// Scratch is the stub's writable memory, which the guest can write too.
const (
	Scratch     = Start + 0x3000
	ScratchSize = 0x10000
	// Slots of 64 bytes each, by thread.
	SlotSize = 64
)

// Order is one entry of Batch's table.
type Order struct {
	Nr      uint64
	Args    [6]uint64
	Receive uint64 // 1: a descriptor is received first, and is 1 for the call
}

// MaxOrders fit in the table.
const MaxOrders = ScratchSize / 64

// InText reports whether pc is in the stub's code.
func InText(pc uint64) bool { return pc >= textBase && pc < textEnd }

// Image is the stub as a sealed file, from which processes are executed.
type Image struct {
	fd     int
	Socket [2]int // a socket pair: the supervisor's end and the guests' end
}

// NewImage makes the file and the sockets that guest processes inherit.
func NewImage() (*Image, error) {
	fd, err := unix.MemfdCreate("sentinel-stub", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if err == unix.EINVAL { // before 6.3
		fd, err = unix.MemfdCreate("sentinel-stub", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, err
	}
	im := &Image{fd: fd}
	if _, err = unix.Write(fd, elf); err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
	}
	if err == nil {
		im.Socket, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return im, nil
}

// FD is the descriptor that execveat gets.
func (im *Image) FD() int { return im.fd }

// Close releases the image.
func (im *Image) Close() {
	unix.Close(im.fd)
	unix.Close(im.Socket[0])
	unix.Close(im.Socket[1])
}

// Spawn starts a process from the image, traced by the calling OS thread,
// which must be locked. The process stops at its first instruction, by the
// SIGTRAP of exec.
func (im *Image) Spawn() (int, error) {
	pid := spawn(im.fd, im.Socket[1])
	if pid < 0 {
		return 0, linux.Errno(-pid)
	}
	return pid, nil
}

// Send passes a descriptor to whichever guest process receives next.
func (im *Image) Send(fd int) error {
	return unix.Sendmsg(im.Socket[0], []byte{0}, unix.UnixRights(fd), nil, unix.MSG_DONTWAIT)
}

// Drain throws away descriptors that were sent and not received.
func (im *Image) Drain() {
	buf, oob := make([]byte, 1), make([]byte, 64)
	for {
		_, n, _, _, err := unix.Recvmsg(im.Socket[1], buf, oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			return
		}
		if ms, err := unix.ParseSocketControlMessage(oob[:n]); err == nil {
			for _, m := range ms {
				if fds, err := unix.ParseUnixRights(&m); err == nil {
					for _, fd := range fds {
						unix.Close(fd)
					}
				}
			}
		}
	}
}
