package jail

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"
)

// rule allows one system call under conditions: any of the alternatives, each
// a list of tests that must all hold. No alternatives means always.
type rule struct {
	nr  uint32
	any [][]test
}

// test compares the low 32 bits of an argument, which is all that the kernel
// looks at where rules use it: argument & mask must be among values.
type test struct {
	arg    uint32
	mask   uint32
	values []uint32
}

func always(nrs ...uint32) []rule {
	rs := make([]rule, len(nrs))
	for i, nr := range nrs {
		rs[i].nr = nr
	}
	return rs
}

// when allows nr if all tests hold.
func when(nr uint32, tests ...test) rule { return rule{nr, [][]test{tests}} }

// is tests an argument for one of several values.
func is(arg uint32, values ...uint32) test { return test{arg, ^uint32(0), values} }

// within tests that an argument has no bits but those of allowed.
func within(arg, allowed uint32) test { return test{arg, ^allowed, []uint32{0}} }

// masked tests some bits of an argument.
func masked(arg, mask uint32, values ...uint32) test { return test{arg, mask, values} }

// Offsets in struct seccomp_data.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// Instructions of classic BPF that a filter needs.
const (
	ldAbs = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	jeq   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jge   = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	ja    = unix.BPF_JMP | unix.BPF_JA
	and   = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	ret   = unix.BPF_RET | unix.BPF_K
)

// asm assembles a program. Conditional jumps reach 255 instructions, which a
// rule never exceeds; between rules it jumps by ja.
type asm struct{ prog []unix.SockFilter }

func (a *asm) emit(code uint16, k uint32) int {
	a.prog = append(a.prog, unix.SockFilter{Code: code, K: k})
	return len(a.prog) - 1
}

// branch emits a conditional jump that skips jt or jf instructions.
func (a *asm) branch(code uint16, k uint32, jt, jf uint8) int {
	a.prog = append(a.prog, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
	return len(a.prog) - 1
}

// build makes the filter: allow by the rules, otherwise act. A call by another
// ABI than the native one never matches a rule. Numbers are found by bisection
// of the ranges that are treated alike; the program is kept short, as the
// kernel compiles it at each start.
func build(rules []rule, act Action) []unix.SockFilter {
	a := &asm{}
	a.emit(ldAbs, offArch)
	a.branch(jeq, auditArch, 1, 0)
	a.emit(ret, uint32(act))
	a.emit(ldAbs, offNr)
	a.tree(segments(rules), act)
	return a.prog
}

// segment is a range of numbers, up to the next segment's first.
type segment struct {
	from  uint32
	allow bool
	any   [][]test // of one number only
}

func (s *segment) plain() bool { return len(s.any) == 0 }

// segments returns the ranges that rules treat alike, from number 0 on.
func segments(rules []rule) []segment {
	rules = slices.Clone(rules)
	slices.SortStableFunc(rules, func(a, b rule) int { return cmp.Compare(a.nr, b.nr) })
	var segs []segment
	add := func(s segment) {
		if n := len(segs); n > 0 && segs[n-1].plain() && s.plain() && segs[n-1].allow == s.allow {
			return
		}
		segs = append(segs, s)
	}
	next := uint32(0) // first number that no segment covers
	for i := 0; i < len(rules); {
		s := segment{from: rules[i].nr}
		for ; i < len(rules) && rules[i].nr == s.from; i++ {
			s.allow = s.allow || len(rules[i].any) == 0
			s.any = append(s.any, rules[i].any...)
		}
		if s.allow {
			s.any = nil
		}
		if s.from > next {
			add(segment{from: next})
		}
		add(s)
		next = s.from + 1
	}
	add(segment{from: next})
	return segs
}

// tree emits the search for the number in the accumulator.
func (a *asm) tree(segs []segment, act Action) {
	if len(segs) == 1 {
		switch s := &segs[0]; {
		case s.allow:
			a.emit(ret, unix.SECCOMP_RET_ALLOW)
		default:
			for _, tests := range s.any {
				a.alternative(tests)
			}
			a.emit(ret, uint32(act))
		}
		return
	}
	mid := len(segs) / 2
	var low asm
	low.tree(segs[:mid], act)
	if n := len(low.prog); n <= 255 {
		a.branch(jge, segs[mid].from, uint8(n), 0)
	} else {
		a.branch(jge, segs[mid].from, 0, 1)
		a.emit(ja, uint32(n))
	}
	a.prog = append(a.prog, low.prog...)
	a.tree(segs[mid:], act)
}

// alternative returns allow if all tests hold and goes on otherwise.
func (a *asm) alternative(tests []test) {
	var fails []int
	for _, t := range tests {
		a.emit(ldAbs, offArgs+8*t.arg)
		if t.mask != ^uint32(0) {
			a.emit(and, t.mask)
		}
		n := len(t.values)
		for i, v := range t.values {
			at := a.branch(jeq, v, uint8(n-1-i), 0)
			if i == n-1 {
				fails = append(fails, at)
			}
		}
	}
	a.emit(ret, unix.SECCOMP_RET_ALLOW)
	for _, at := range fails {
		a.prog[at].Jf = uint8(len(a.prog) - at - 1)
	}
}
