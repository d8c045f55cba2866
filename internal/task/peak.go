package task

import (
	"slices"

	"sentinel/internal/platform"
)

// peaks is the largest resident size of some processes. The host tells it as it
// ends them, which takes longer than anybody wants to wait who does not ask.
type peaks struct {
	max  uint64            // in bytes, of those that have ended
	late []platform.Thread // the others
}

// notePeak adds a process of g's that is about to end, of which th is the last
// thread.
func (g *ThreadGroup) notePeak(th platform.Thread) {
	g.k.mu.Lock()
	g.peak.late = append(g.peak.late, th)
	g.peak.settle()
	g.k.mu.Unlock()
}

// add adds those of q.
func (p *peaks) add(q *peaks) {
	p.max = max(p.max, q.max)
	p.late = append(p.late, q.late...)
	p.settle()
}

// settle takes in what the host has told.
func (p *peaks) settle() {
	p.late = slices.DeleteFunc(p.late, func(x platform.Thread) bool {
		n, ok := x.PeakRSS(false)
		if ok {
			p.max = max(p.max, n)
		}
		return ok
	})
}

func (p *peaks) clone() peaks { return peaks{p.max, slices.Clone(p.late)} }

// kib returns the size in KiB, for which it may have to wait.
func (p *peaks) kib() int64 {
	n := p.max
	for _, x := range p.late {
		v, _ := x.PeakRSS(true)
		n = max(n, v)
	}
	return int64(n >> 10)
}

// ChildMaxRSS returns the largest resident size in KiB that one of the reaped
// children has had.
func (g *ThreadGroup) ChildMaxRSS() int64 {
	g.k.mu.Lock()
	p := g.childPeak.clone()
	g.k.mu.Unlock()
	return p.kib()
}
