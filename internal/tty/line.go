package tty

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
)

// line is the N_TTY line discipline of a pseudo-terminal's slave, after
// drivers/tty/n_tty.c, whose names it keeps. It is guarded by its pty's mutex
// and does no input or output of its own: input is pushed in by receive,
// output goes to out.
type line struct {
	linux.Termios2
	out *fifo // what the terminal shows: to the master

	buf   [bufSize]byte
	marks [bufSize / 64]uint64 // ends of lines
	// Free-running positions in buf. From tail to canonHead are whole lines;
	// from there to head the one being edited.
	head, canonHead, tail uint32

	echoes     []uint16 // what is to be echoed yet
	column     uint32
	canonCol   uint32
	erasing    bool
	lnext      bool
	push       bool
	special    [256 / 64]uint64 // char_map
	raw        bool
	stopped    bool // by VSTOP
	tcoStopped bool // by TCOOFF

	settled int // how much of out is older than the present input

	// What happened and the owner must act upon.
	signals []int
	packet  uint8 // TIOCPKT_* status for the master
}

const (
	bufSize  = 4096 // N_TTY_BUF_SIZE
	disabled = 0    // __DISABLED_CHAR
)

// Kinds of echo, above a byte.
const (
	echoRaw      = iota << 8 // the byte, through output processing
	echoCtl                  // ^X
	echoBack                 // move back a column, silently
	echoSetCanon             // remember the column as the line's first
	echoEraseTab             // back over a tab; the byte as in n_tty
)

var initCc = [linux.NCCS]uint8{
	linux.VINTR: 3, linux.VQUIT: 28, linux.VERASE: 127, linux.VKILL: 21, linux.VEOF: 4,
	linux.VMIN: 1, linux.VSTART: 17, linux.VSTOP: 19, linux.VSUSP: 26, linux.VREPRINT: 18,
	linux.VDISCARD: 15, linux.VWERASE: 23, linux.VLNEXT: 22,
}

func (l *line) init(out *fifo) {
	l.out, l.settled = out, bufSize
	l.Termios2 = linux.Termios2{
		Termios: linux.Termios{
			Iflag: linux.ICRNL | linux.IXON,
			Oflag: linux.OPOST | linux.ONLCR,
			Cflag: linux.B38400 | linux.CS8 | linux.CREAD,
			Lflag: linux.ISIG | linux.ICANON | linux.ECHO | linux.ECHOE | linux.ECHOK |
				linux.ECHOCTL | linux.ECHOKE | linux.IEXTEN,
			Cc: initCc,
		},
		Ispeed: 38400, Ospeed: 38400,
	}
	l.mapChars()
}

func (l *line) i(f uint32) bool { return l.Iflag&f != 0 }
func (l *line) o(f uint32) bool { return l.Oflag&f != 0 }
func (l *line) l(f uint32) bool { return l.Lflag&f != 0 }

func (l *line) at(pos uint32) byte   { return l.buf[pos%bufSize] }
func (l *line) put(c byte)           { l.buf[l.head%bufSize] = c; l.head++ }
func (l *line) mark(pos uint32)      { l.marks[pos%bufSize/64] |= 1 << (pos % 64) }
func (l *line) unmark(pos uint32)    { l.marks[pos%bufSize/64] &^= 1 << (pos % 64) }
func (l *line) marked(p uint32) bool { return l.marks[p%bufSize/64]>>(p%64)&1 != 0 }

// continuation reports whether c is inside a UTF-8 sequence.
func (l *line) continuation(c byte) bool { return l.i(linux.IUTF8) && c&0xc0 == 0x80 }

// lines reports whether reads go by lines.
func (l *line) lines() bool { return l.l(linux.ICANON) && !l.l(linux.EXTPROC) }

// mapChars finds the characters that need more than to be stored.
func (l *line) mapChars() {
	l.special = [4]uint64{}
	l.raw = !l.i(linux.ISTRIP|linux.IUCLC|linux.IGNCR|linux.ICRNL|linux.INLCR|linux.IXON|linux.PARMRK) &&
		!l.l(linux.ICANON|linux.ISIG|linux.ECHO)
	if l.raw {
		return
	}
	set := func(cs ...byte) {
		for _, c := range cs {
			l.special[c/64] |= 1 << (c % 64)
		}
	}
	cc := &l.Cc
	if l.i(linux.IGNCR | linux.ICRNL) {
		set('\r')
	}
	if l.i(linux.INLCR) {
		set('\n')
	}
	if l.l(linux.ICANON) {
		set(cc[linux.VERASE], cc[linux.VKILL], cc[linux.VEOF], '\n', cc[linux.VEOL])
		if l.l(linux.IEXTEN) {
			set(cc[linux.VWERASE], cc[linux.VLNEXT], cc[linux.VEOL2])
			if l.l(linux.ECHO) {
				set(cc[linux.VREPRINT])
			}
		}
	}
	if l.i(linux.IXON) {
		set(cc[linux.VSTART], cc[linux.VSTOP])
	}
	if l.l(linux.ISIG) {
		set(cc[linux.VINTR], cc[linux.VQUIT], cc[linux.VSUSP])
	}
	l.special[0] &^= 1 // __DISABLED_CHAR
}

// setTermios is n_tty_set_termios with pty_set_termios.
func (l *line) setTermios(t linux.Termios2) {
	old := l.Termios2
	l.Termios2 = t
	l.Cflag = l.Cflag&^(linux.CSIZE|linux.PARENB) | linux.CS8 | linux.CREAD
	if (old.Lflag^l.Lflag)&(linux.ICANON|linux.EXTPROC) != 0 {
		l.marks = [bufSize / 64]uint64{}
		if !l.l(linux.ICANON) || l.head == l.tail {
			l.canonHead, l.push = l.tail, false
		} else {
			l.mark(l.head - 1)
			l.canonHead, l.push = l.head, true
		}
		l.erasing, l.lnext = false, false
	}
	l.mapChars()
	if !l.i(linux.IXON) && old.Iflag&linux.IXON != 0 && !l.tcoStopped {
		l.start()
		l.flushEchoes()
	}
	flow := func(t *linux.Termios2) bool {
		return t.Iflag&linux.IXON != 0 && t.Cc[linux.VSTOP] == 19 && t.Cc[linux.VSTART] == 17
	}
	if was, is := flow(&old), flow(&l.Termios2); was != is {
		l.packet &^= linux.TIOCPKT_DOSTOP | linux.TIOCPKT_NOSTOP
		if is {
			l.packet |= linux.TIOCPKT_DOSTOP
		} else {
			l.packet |= linux.TIOCPKT_NOSTOP
		}
	}
	if (old.Lflag|l.Lflag)&linux.EXTPROC != 0 {
		l.packet |= linux.TIOCPKT_IOCTL
	}
}

// start and stop are those of output by flow control.
func (l *line) start() {
	if l.stopped && !l.tcoStopped {
		l.stopped = false
		l.packet = l.packet&^linux.TIOCPKT_STOP | linux.TIOCPKT_START
	}
}

func (l *line) stop() {
	if !l.stopped {
		l.stopped = true
		l.packet = l.packet&^linux.TIOCPKT_START | linux.TIOCPKT_STOP
	}
}

// flushInput forgets all input (reset_buffer_flags).
func (l *line) flushInput() {
	l.head, l.canonHead, l.tail = 0, 0, 0
	l.marks = [bufSize / 64]uint64{}
	l.erasing, l.push = false, false
	l.packet |= linux.TIOCPKT_FLUSHREAD
}

// flushOutput forgets what Linux would not have moved to the master's own
// buffer yet: what is above its size, and the echoes of the same input.
func (l *line) flushOutput() {
	l.out.cut(min(bufSize, l.settled))
	l.packet |= linux.TIOCPKT_FLUSHWRITE
}

// receive takes input and returns how much of it there was room for.
func (l *line) receive(p []byte) int {
	l.settled = l.out.len()
	defer func() { l.settled = bufSize }()
	n := 0
	for n < len(p) {
		room := bufSize - int(l.head-l.tail)
		if l.i(linux.PARMRK) {
			room = (room + 2) / 3
		}
		room--
		if room <= 0 {
			// A line that is too long: keep reading for its end, each
			// character taking the last one's place.
			if !l.l(linux.ICANON) || l.canonHead != l.tail {
				break
			}
			if room < 0 {
				l.head--
			}
			room = 1
		}
		for _, c := range p[n : n+min(room, len(p)-n)] {
			l.char(c)
			n++
		}
	}
	l.flushEchoes()
	return n
}

func (l *line) char(c byte) {
	if l.raw {
		l.put(c)
		return
	}
	if l.i(linux.ISTRIP) {
		c &= 0x7f
	}
	if l.i(linux.IUCLC) && l.l(linux.IEXTEN) {
		c = lower(c)
	}
	switch {
	case l.l(linux.EXTPROC):
		l.put(c)
	case l.lnext:
		l.lnext = false
		l.store(c)
	case l.special[c/64]>>(c%64)&1 != 0:
		l.specialChar(c)
	default:
		l.store(c)
	}
}

// restart is the effect of IXANY.
func (l *line) restart() {
	if l.stopped && !l.tcoStopped && l.i(linux.IXON) && l.i(linux.IXANY) {
		l.start()
		l.flushEchoes()
	}
}

// store puts an ordinary character into the line (n_tty_receive_char).
func (l *line) store(c byte) {
	l.restart()
	if l.l(linux.ECHO) {
		l.finishErasing()
		if l.canonHead == l.head {
			l.echo(echoSetCanon)
		}
		l.echoChar(c)
	}
	l.keep(c)
}

func (l *line) keep(c byte) {
	if c == 0xff && l.i(linux.PARMRK) {
		l.put(c)
	}
	l.put(c)
}

func (l *line) specialChar(c byte) {
	cc := &l.Cc
	if l.i(linux.IXON) {
		switch c {
		case cc[linux.VSTART]:
			l.start()
			l.flushEchoes()
			return
		case cc[linux.VSTOP]:
			l.stop()
			return
		}
	}
	if l.l(linux.ISIG) {
		switch c {
		case cc[linux.VINTR]:
			l.signalChar(signal.SIGINT, c)
			return
		case cc[linux.VQUIT]:
			l.signalChar(signal.SIGQUIT, c)
			return
		case cc[linux.VSUSP]:
			l.signalChar(signal.SIGTSTP, c)
			return
		}
	}
	l.restart()
	if c == '\r' {
		if l.i(linux.IGNCR) {
			return
		}
		if l.i(linux.ICRNL) {
			c = '\n'
		}
	} else if c == '\n' && l.i(linux.INLCR) {
		c = '\r'
	}
	if l.l(linux.ICANON) && l.canonChar(c) {
		return
	}
	if l.l(linux.ECHO) {
		l.finishErasing()
		if c == '\n' {
			l.echo(echoRaw | '\n')
		} else {
			if l.canonHead == l.head {
				l.echo(echoSetCanon)
			}
			l.echoChar(c)
		}
	}
	l.keep(c)
}

// canonChar handles the editing characters; false if c is none.
func (l *line) canonChar(c byte) bool {
	cc, ext := &l.Cc, l.l(linux.IEXTEN)
	is := func(n int) bool { return c == cc[n] && c != disabled }
	switch {
	case is(linux.VERASE), is(linux.VKILL), is(linux.VWERASE) && ext:
		l.eraser(c)
	case is(linux.VLNEXT) && ext:
		l.lnext = true
		if l.l(linux.ECHO) {
			l.finishErasing()
			if l.l(linux.ECHOCTL) {
				l.echo(echoRaw | '^')
				l.echo(echoRaw | '\b')
			}
		}
	case is(linux.VREPRINT) && l.l(linux.ECHO) && ext:
		l.finishErasing()
		l.echoChar(c)
		l.echo(echoRaw | '\n')
		for p := l.canonHead; p != l.head; p++ {
			l.echoChar(l.at(p))
		}
	case c == '\n':
		if l.l(linux.ECHO | linux.ECHONL) {
			l.echo(echoRaw | '\n')
		}
		l.endLine(c)
	case is(linux.VEOF):
		l.endLine(disabled)
	case is(linux.VEOL), is(linux.VEOL2) && ext:
		if l.l(linux.ECHO) {
			if l.canonHead == l.head {
				l.echo(echoSetCanon)
			}
			l.echoChar(c)
		}
		if c == 0xff && l.i(linux.PARMRK) {
			l.put(c)
		}
		l.endLine(c)
	default:
		return false
	}
	return true
}

func (l *line) endLine(c byte) {
	l.mark(l.head)
	l.put(c)
	l.canonHead = l.head
}

// signalChar is n_tty_receive_signal_char with isig.
func (l *line) signalChar(sig int, c byte) {
	l.signals = append(l.signals, sig)
	if !l.l(linux.NOFLSH) {
		l.echoes = nil
		l.flushOutput()
		l.flushInput()
	}
	if l.i(linux.IXON) {
		l.start()
	}
	if l.l(linux.ECHO) {
		l.echoChar(c)
	} else {
		l.flushEchoes()
	}
}

// available is input_available_p: whether a read would return something, or
// for poll whether VMIN bytes are there.
func (l *line) available(poll bool) bool {
	if l.lines() {
		return l.canonHead != l.tail
	}
	want := uint32(1)
	if poll && l.Cc[linux.VTIME] == 0 && l.Cc[linux.VMIN] != 0 {
		want = uint32(l.Cc[linux.VMIN])
	}
	return l.head-l.tail >= want
}

// readLine is canon_copy_from_read_buf: at most one line.
func (l *line) readLine(dst []byte) int {
	n := 0
	for n < len(dst) && l.tail != l.canonHead {
		c, end := l.at(l.tail), l.marked(l.tail)
		l.unmark(l.tail)
		l.tail++
		if !end || c != disabled {
			dst[n] = c
			n++
		}
		if end {
			l.push = false
			return n
		}
	}
	// A full buffer: an end of file right behind belongs to this read.
	if l.tail != l.canonHead && l.marked(l.tail) && l.at(l.tail) == disabled {
		l.unmark(l.tail)
		l.tail++
	}
	return n
}

// readRaw is copy_from_read_buf.
func (l *line) readRaw(dst []byte) int {
	n := 0
	var c byte // the last; what dst has is the guest's to change
	for n < len(dst) && l.tail != l.head {
		c = l.at(l.tail)
		dst[n] = c
		l.unmark(l.tail)
		l.tail++
		n++
	}
	if l.l(linux.EXTPROC) && l.l(linux.ICANON) && n == 1 && c == l.Cc[linux.VEOF] && l.tail == l.head {
		n = 0
	}
	if int32(l.canonHead-l.tail) < 0 {
		l.canonHead = l.tail
	}
	return n
}

// pending is what FIONREAD tells (inq_canon).
func (l *line) pending() int {
	if !l.lines() {
		return int(l.head - l.tail)
	}
	n := int(l.canonHead - l.tail)
	for p := l.tail; p != l.canonHead; p++ {
		if l.marked(p) && l.at(p) == disabled {
			n--
		}
	}
	return n
}
