package usermem

import "sentinel/internal/abi/linux"

// Paged reads the guest's memory a page at a time and keeps the last one, for
// many small things side by side. It is used within one call, as a copy in time
// like any other; it is not safe for concurrent use.
type Paged struct {
	M    Memory
	page [PageSize]byte
	addr uint64 // of page, if have
	have bool
}

// CopyIn implements Memory.
func (p *Paged) CopyIn(addr uint64, dst []byte) (int, error) {
	done := 0
	for done < len(dst) {
		at := addr + uint64(done)
		if !p.have || at-p.addr >= PageSize {
			p.addr = at &^ (PageSize - 1)
			_, err := p.M.CopyIn(p.addr, p.page[:])
			if p.have = err == nil; !p.have {
				return done, err
			}
		}
		done += copy(dst[done:], p.page[at-p.addr:])
	}
	return done, nil
}

// CopyOut implements Memory. There is nothing to write here.
func (p *Paged) CopyOut(uint64, []byte) (int, error) { return 0, linux.EFAULT }
