package tty

import "sentinel/internal/abi/linux"

func control(c byte) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 }

// Letters are those of Latin-1, as in lib/ctype.c.
func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 0xc0 && c <= 0xde && c != 0xd7 }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' || c >= 0xdf && c != 0xf7 }
func alnum(c byte) bool   { return c >= '0' && c <= '9' || isUpper(c) || isLower(c) }

func lower(c byte) byte {
	if isUpper(c) {
		c += 'a' - 'A'
	}
	return c
}

func upper(c byte) byte {
	if isLower(c) {
		c -= 'a' - 'A'
	}
	return c
}

// maxEchoes bounds the echoes of a terminal whose output is stopped.
const maxEchoes = bufSize

// echoBatch is how many are held back at most while input is taken
// (ECHO_COMMIT_WATERMARK).
const echoBatch = 256

func (l *line) echo(e uint16) {
	if len(l.echoes) >= maxEchoes {
		l.echoes = l.echoes[:copy(l.echoes, l.echoes[maxEchoes/4:])]
	}
	l.echoes = append(l.echoes, e)
	if len(l.echoes) >= echoBatch {
		l.flushEchoes()
	}
}

func (l *line) echoChar(c byte) {
	if l.l(linux.ECHOCTL) && control(c) && c != '\t' {
		l.echo(echoCtl | uint16(c))
	} else {
		l.echo(echoRaw | uint16(c))
	}
}

func (l *line) finishErasing() {
	if l.erasing {
		l.echo(echoRaw | '/')
		l.erasing = false
	}
}

// flushEchoes shows what there is room for (__process_echoes).
func (l *line) flushEchoes() {
	for len(l.echoes) > 0 && !l.stopped && l.out.room() >= 8 {
		e := l.echoes[0]
		l.echoes = l.echoes[1:]
		c := byte(e)
		switch e &^ 0xff {
		case echoRaw:
			switch {
			case c == 0xff: // an escape in n_tty's echo buffer: untouched
				l.out.put([]byte{c})
				l.column++
			case l.o(linux.OPOST):
				l.outputChar(c)
			default:
				l.out.put([]byte{c})
			}
		case echoCtl:
			l.out.put([]byte{'^', c ^ 0100})
			l.column += 2
		case echoBack:
			if l.column > 0 {
				l.column--
			}
		case echoSetCanon:
			l.canonCol = l.column
		case echoEraseTab:
			cols := uint32(c)
			if cols&0x80 == 0 {
				cols += l.canonCol
			}
			for n := 8 - cols&7; n > 0; n-- {
				l.out.put([]byte{'\b'})
				if l.column > 0 {
					l.column--
				}
			}
		}
	}
	if len(l.echoes) == 0 {
		l.echoes = nil
	}
}

// outputChar is do_output_char; false if there is no room.
func (l *line) outputChar(c byte) bool {
	room := l.out.room()
	if room == 0 {
		return false
	}
	switch c {
	case '\n':
		if l.o(linux.ONLRET) {
			l.column = 0
		}
		if l.o(linux.ONLCR) {
			if room < 2 {
				return false
			}
			l.canonCol, l.column = 0, 0
			l.out.put([]byte("\r\n"))
			return true
		}
		l.canonCol = l.column
	case '\r':
		if l.o(linux.ONOCR) && l.column == 0 {
			return true
		}
		if l.o(linux.OCRNL) {
			c = '\n'
			if l.o(linux.ONLRET) {
				l.canonCol, l.column = 0, 0
			}
			break
		}
		l.canonCol, l.column = 0, 0
	case '\t':
		n := 8 - l.column&7
		if l.Oflag&linux.TABDLY == linux.XTABS {
			if room < int(n) {
				return false
			}
			l.column += n
			l.out.put([]byte("        ")[:n])
			return true
		}
		l.column += n
	case '\b':
		if l.column > 0 {
			l.column--
		}
	default:
		if !control(c) {
			if l.o(linux.OLCUC) {
				c = upper(c)
			}
			if !l.continuation(c) {
				l.column++
			}
		}
	}
	l.out.put([]byte{c})
	return true
}

// write is the body of n_tty_write: it returns how much was taken.
func (l *line) write(p []byte) int {
	l.flushEchoes()
	if l.stopped {
		return 0
	}
	if !l.o(linux.OPOST) {
		return l.out.put(p)
	}
	for n := 0; n < len(p); n++ {
		// Plain text goes in one piece.
		run := n
		for run < len(p) && p[run] > 0x1f && p[run] < 0x7f && !l.o(linux.OLCUC) {
			run++
		}
		if run > n {
			k := l.out.put(p[n:run])
			l.column += uint32(k)
			if n += k; n < run {
				return n
			}
			if n == len(p) {
				return n
			}
		}
		if !l.outputChar(p[n]) {
			return n
		}
	}
	return len(p)
}

// eraser is n_tty's: erase a character, a word or the line.
func (l *line) eraser(by byte) {
	if l.head == l.canonHead {
		return
	}
	cc := &l.Cc
	erase, word := by == cc[linux.VERASE], false
	switch {
	case erase:
	case by == cc[linux.VWERASE]:
		word = true
	case !l.l(linux.ECHO):
		l.head = l.canonHead
		return
	case !l.l(linux.ECHOK) || !l.l(linux.ECHOKE) || !l.l(linux.ECHOE):
		l.head = l.canonHead
		l.finishErasing()
		l.echoChar(cc[linux.VKILL])
		if l.l(linux.ECHOK) {
			l.echo(echoRaw | '\n')
		}
		return
	}
	seen := false
	for l.head != l.canonHead {
		head, c := l.head, byte(0)
		for {
			head--
			c = l.at(head)
			if !l.continuation(c) || head == l.canonHead {
				break
			}
		}
		if l.continuation(c) {
			break // not half a character
		}
		if word {
			if alnum(c) || c == '_' {
				seen = true
			} else if seen {
				break
			}
		}
		count := l.head - head
		l.head = head
		if l.l(linux.ECHO) {
			l.echoErase(c, head, count, erase)
		}
		if erase {
			break
		}
	}
	if l.head == l.canonHead && l.l(linux.ECHO) {
		l.finishErasing()
	}
}

// echoErase shows that the character c of count bytes at head is gone.
func (l *line) echoErase(c byte, head, count uint32, erase bool) {
	switch {
	case l.l(linux.ECHOPRT):
		if !l.erasing {
			l.echo(echoRaw | '\\')
			l.erasing = true
		}
		l.echoChar(c)
		for ; count > 1; count-- {
			head++
			l.echo(echoRaw | uint16(l.at(head)))
			l.echo(echoBack)
		}
	case erase && !l.l(linux.ECHOE):
		l.echoChar(l.Cc[linux.VERASE])
	case c == '\t':
		cols, after := uint16(0), uint16(0)
		for p := l.head; p != l.canonHead; {
			p--
			switch c := l.at(p); {
			case c == '\t':
				after = 0x80
			case control(c):
				if l.l(linux.ECHOCTL) {
					cols += 2
				}
			case !l.continuation(c):
				cols++
			}
			if after != 0 {
				break
			}
		}
		l.echo(echoEraseTab | cols&7 | after)
	default:
		n := 1
		if control(c) {
			n = 0
			if l.l(linux.ECHOCTL) {
				n = 2
			}
		}
		for ; n > 0; n-- {
			l.echo(echoRaw | '\b')
			l.echo(echoRaw | ' ')
			l.echo(echoRaw | '\b')
		}
	}
}
