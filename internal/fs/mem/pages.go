package mem

import (
	"math"
	"math/bits"
	"slices"
)

// pageSet is the set of a file's pages that hold data. Each word tells of 64
// pages, which is one slot.
type pageSet struct {
	n     int64 // pages in the set
	first uint64
	rest  map[int64]uint64 // by word number, from 1
}

func (s *pageSet) word(w int64) uint64 {
	if w == 0 {
		return s.first
	}
	return s.rest[w]
}

func (s *pageSet) setWord(w int64, v uint64) {
	s.n += int64(bits.OnesCount64(v) - bits.OnesCount64(s.word(w)))
	switch {
	case w == 0:
		s.first = v
	case v == 0:
		delete(s.rest, w)
	default:
		if s.rest == nil {
			s.rest = make(map[int64]uint64)
		}
		s.rest[w] = v
	}
}

// mask returns the bits of word w for the pages lo to hi.
func mask(w, lo, hi int64) uint64 {
	m := ^uint64(0)
	if lo > w*64 {
		m <<= uint(lo - w*64)
	}
	if hi < (w+1)*64 {
		m &= 1<<uint(hi-w*64) - 1
	}
	return m
}

// missing counts the pages of lo to hi that are not in the set. The caller
// knows that the range is not absurd.
func (s *pageSet) missing(lo, hi int64) int64 {
	n := int64(0)
	for w := lo / 64; w*64 < hi; w++ {
		n += int64(bits.OnesCount64(mask(w, lo, hi) &^ s.word(w)))
	}
	return n
}

func (s *pageSet) add(lo, hi int64) {
	for w := lo / 64; w*64 < hi; w++ {
		s.setWord(w, s.word(w)|mask(w, lo, hi))
	}
}

// remove takes the pages lo to hi out and returns how many were in.
func (s *pageSet) remove(lo, hi int64) int64 {
	if lo >= hi {
		return 0
	}
	was := s.n
	if lo < 64 {
		s.setWord(0, s.first&^mask(0, lo, hi))
	}
	if hi/64-lo/64 > int64(len(s.rest)) {
		for w := range s.rest {
			if (w+1)*64 > lo && w*64 < hi {
				s.setWord(w, s.rest[w]&^mask(w, lo, hi))
			}
		}
	} else {
		for w := max(lo/64, 1); w*64 < hi; w++ {
			if v := s.rest[w]; v != 0 {
				s.setWord(w, v&^mask(w, lo, hi))
			}
		}
	}
	return was - s.n
}

const noPage = math.MaxInt64 / pageSize

// next returns the first page from p on that is in the set, or, if !in, that
// is not; noPage if there is none.
func (s *pageSet) next(p int64, in bool) int64 {
	flip := uint64(0)
	if !in {
		flip = ^uint64(0)
	}
	w := p / 64
	if v := (s.word(w) ^ flip) & mask(w, p, math.MaxInt64); v != 0 {
		return w*64 + int64(bits.TrailingZeros64(v))
	}
	if !in {
		for w++; s.word(w) == ^uint64(0); w++ {
		}
		return w*64 + int64(bits.TrailingZeros64(^s.word(w)))
	}
	// Words are few or dense: look ahead a little before sorting them.
	for i := int64(1); i <= 64; i++ {
		if v := s.word(w + i); v != 0 {
			return (w+i)*64 + int64(bits.TrailingZeros64(v))
		}
	}
	later := make([]int64, 0, len(s.rest))
	for k := range s.rest {
		if k > w {
			later = append(later, k)
		}
	}
	if len(later) == 0 {
		return noPage
	}
	w = slices.Min(later)
	return w*64 + int64(bits.TrailingZeros64(s.rest[w]))
}
