package proc

import "strconv"

// text builds the content of a file.
type text []byte

func (b *text) s(s ...string) *text {
	for _, x := range s {
		*b = append(*b, x...)
	}
	return b
}

func (b *text) u(n uint64) *text { *b = strconv.AppendUint(*b, n, 10); return b }
func (b *text) i(n int64) *text  { *b = strconv.AppendInt(*b, n, 10); return b }

// hex writes n in hexadecimal with at least width digits.
func (b *text) hex(n uint64, width int) *text {
	var t [16]byte
	h := strconv.AppendUint(t[:0], n, 16)
	for k := len(h); k < width; k++ {
		*b = append(*b, '0')
	}
	*b = append(*b, h...)
	return b
}

// pad writes s right-aligned in a field.
func (b *text) pad(s string, width int) *text {
	for k := len(s); k < width; k++ {
		*b = append(*b, ' ')
	}
	*b = append(*b, s...)
	return b
}

// left writes s left-aligned in a field.
func (b *text) left(s string, width int) *text {
	*b = append(*b, s...)
	for k := len(s); k < width; k++ {
		*b = append(*b, ' ')
	}
	return b
}

func utoa(n uint64) string { return strconv.FormatUint(n, 10) }
