package linux

// Terminal interface, from include/uapi/asm-generic/termbits.h and ioctls.h;
// the same on amd64 and arm64. What the generator finds is not repeated.
const (
	NCCS   = 19
	TCXONC = 0x540a

	IGNPAR = 0x4
	IUCLC  = 0x200
	OLCUC  = 0x2
	TABDLY = 0x1800
	XTABS  = 0x1800

	CBAUD   = 0x100f
	CBAUDEX = 0x1000
	BOTHER  = 0x1000
	PARENB  = 0x100

	XCASE   = 0x4
	PENDIN  = 0x4000
	EXTPROC = 0x10000
)

// Termios is struct termios of the kernel (TCGETS).
type Termios struct {
	Iflag, Oflag, Cflag, Lflag uint32
	Line                       uint8
	Cc                         [NCCS]uint8
}

// Termios2 is struct termios2 (TCGETS2).
type Termios2 struct {
	Termios
	Ispeed, Ospeed uint32
}

// Termio is struct termio (TCGETA).
type Termio struct {
	Iflag, Oflag, Cflag, Lflag uint16
	Line                       uint8
	Cc                         [8]uint8
	_                          uint8
}

// Winsize is struct winsize.
type Winsize struct{ Row, Col, Xpixel, Ypixel uint16 }

// Requests of ioctl(2) that every descriptor may know.
const (
	FIONCLEX = 0x5450
	FIOCLEX  = 0x5451
	FIOASYNC = 0x5452
	FIONBIO  = 0x5421
	FIONREAD = 0x541b
	FIOQSIZE = 0x5460
)
