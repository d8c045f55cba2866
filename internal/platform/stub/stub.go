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

// Image is a stub as a sealed file, from which processes are executed.
type Image struct{ fd int }

// NewImage makes the file of the ptrace platform's stub.
func NewImage() (*Image, error) { return NewImageOf(elf) }

// NewImageOf makes the file of another program.
func NewImageOf(elf []byte) (*Image, error) {
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
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return im, nil
}

// FD is the descriptor that execveat gets.
func (im *Image) FD() int { return im.fd }

// MoveTo makes fd, in place of what it was, the descriptor of the image.
func (im *Image) MoveTo(fd int) error {
	if err := unix.Dup3(im.fd, fd, unix.O_CLOEXEC); err != nil {
		return err
	}
	unix.Close(im.fd)
	im.fd = fd
	return nil
}

// Close releases the image.
func (im *Image) Close() { unix.Close(im.fd) }

// Spawn starts a process from the image, in a process group of its own, with sock as
// its descriptor 0. The calling OS thread, which must be locked, is its tracer,
// and the process stops at its first instruction by the SIGTRAP of exec.
func (im *Image) Spawn(sock int) (*Launch, error) {
	return im.start(sock, -1, true)
}

// Launch starts a process from the image, in a process group of its own, with sock
// and mem as its descriptors 0 and 1. It does not wait until the process has
// executed the image: the result must be kept until it has shown that, or
// ended.
func (im *Image) Launch(sock, mem int) (*Launch, error) {
	return im.start(sock, mem, false)
}

func (im *Image) start(sock, mem int, traced bool) (*Launch, error) {
	var leash [2]int
	if err := unix.Pipe2(leash[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	l := new(Launch)
	l.exec(im.fd, sock, mem, leash[0], traced)
	unix.Close(leash[0])
	if l.PID < 0 {
		unix.Close(leash[1])
		return nil, linux.Errno(-l.PID)
	}
	l.leash = leash[1]
	return l, nil
}

// Channel passes descriptors to guest processes: a socket pair of which the
// guests have the second end as descriptor 0.
type Channel struct{ sup, guest int }

// NewChannel makes a channel.
func NewChannel() (Channel, error) {
	s, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	return Channel{s[0], s[1]}, err
}

// Guest is the end that a guest process gets.
func (c Channel) Guest() int { return c.guest }

// Close closes both ends.
func (c Channel) Close() {
	unix.Close(c.sup)
	unix.Close(c.guest)
}

// Send passes descriptors to whichever guest process receives next.
func (c Channel) Send(fds ...int) error {
	return unix.Sendmsg(c.sup, []byte{0}, unix.UnixRights(fds...), nil, unix.MSG_DONTWAIT)
}

// Receive takes the one descriptor that a guest process has sent.
func (c Channel) Receive() (int, error) {
	buf, oob := make([]byte, 1), make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(c.sup, buf, oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	ms, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(ms) != 1 {
		return -1, linux.EPROTO
	}
	fds, err := unix.ParseUnixRights(&ms[0])
	if err != nil || len(fds) != 1 {
		return -1, linux.EPROTO
	}
	return fds[0], nil
}

// Drain throws away descriptors that were sent and not received.
func (c Channel) Drain() {
	buf, oob := make([]byte, 1), make([]byte, 64)
	for {
		_, n, _, _, err := unix.Recvmsg(c.guest, buf, oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
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
