package usermem

// Pieces is guest memory in ranges, of which what was copied is taken off.
type Pieces struct {
	Mem    Memory
	Ranges []Range
}

// CopyIn gathers up to len(dst) bytes and advances.
func (p *Pieces) CopyIn(dst []byte) (int, error) { return Move(p.Mem, &p.Ranges, dst, false) }

// CopyOut scatters src and advances.
func (p *Pieces) CopyOut(src []byte) (int, error) { return Move(p.Mem, &p.Ranges, src, true) }

// Move copies p from the ranges or, with out, to them, until either ends, and
// takes off the ranges what it has copied. The ranges of small transfers are on
// the caller's stack, and stay there.
func Move(mem Memory, rs *[]Range, p []byte, out bool) (n int, err error) {
	for n < len(p) && len(*rs) > 0 {
		r := &(*rs)[0]
		if m := int(min(r.Len, uint64(len(p)-n))); m > 0 {
			var got int
			if out {
				got, err = mem.CopyOut(r.Addr, p[n:n+m])
			} else {
				got, err = mem.CopyIn(r.Addr, p[n:n+m])
			}
			n += got
			r.Addr, r.Len = r.Addr+uint64(got), r.Len-uint64(got)
			if err != nil {
				return n, err
			}
		}
		if r.Len == 0 {
			*rs = (*rs)[1:]
		}
	}
	return n, nil
}
