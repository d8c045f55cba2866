package host

import "bytes"

// Mapping is a line of /proc/PID/maps.
type Mapping struct {
	Start, End   uint64
	Perms        []byte // of the line: "r-xp"
	Offset       uint64
	Major, Minor uint32
	Ino          uint64
	Name         []byte // of the line
}

// ParseMapping reads a line without its end. It is not ok if that is none, such
// as the details between the lines of smaps.
func ParseMapping(line []byte) (m Mapping, ok bool) {
	var valid [5]bool
	m.Start, line, valid[0] = number(line, 16, '-')
	m.End, line, valid[1] = number(line, 16, ' ')
	if len(line) < 5 || line[4] != ' ' {
		return Mapping{}, false
	}
	m.Perms = line[:4]
	var major, minor uint64
	m.Offset, line, valid[2] = number(line[5:], 16, ' ')
	major, line, _ = number(line, 16, ':')
	minor, line, valid[3] = number(line, 16, ' ')
	m.Ino, line, valid[4] = number(line, 10, ' ')
	if valid != [5]bool{true, true, true, true, true} {
		return Mapping{}, false
	}
	m.Major, m.Minor, m.Name = uint32(major), uint32(minor), bytes.TrimLeft(line, " ")
	return m, true
}

// number reads digits up to the byte end, or to the end of the line, and gives
// what follows.
func number(b []byte, base uint64, end byte) (n uint64, rest []byte, ok bool) {
	for i, c := range b {
		var d uint64
		switch {
		case c == end:
			return n, b[i+1:], i > 0
		case '0' <= c && c <= '9':
			d = uint64(c - '0')
		case 'a' <= c && c <= 'f':
			d = uint64(c-'a') + 10
		default:
			return 0, nil, false
		}
		if d >= base || n > (1<<64-1)>>4 {
			return 0, nil, false
		}
		n = n*base + d
	}
	return n, nil, len(b) > 0
}
