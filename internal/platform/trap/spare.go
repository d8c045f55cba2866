package trap

import "sentinel/internal/platform/stub"

// spare is what the next exec and the next fork need of the host, made in
// advance: a process that stands in the stub and sleeps, in which no guest has
// run, and the memory and the channel of another. There is one at most.
type spare struct {
	th  *thread
	mem *ownMemory
}

// ownMemory is what a process with a memory of its own shares with the
// supervisor. Slot 0 of the region is ready.
type ownMemory struct {
	r  *region
	ch stub.Channel
}

func (p *Platform) newOwnMemory() (*ownMemory, error) {
	r, err := newRegion()
	if err != nil {
		return nil, err
	}
	ch, err := stub.NewChannel()
	if err != nil {
		r.release()
		return nil, err
	}
	p.initSlot(r, 0)
	return &ownMemory{r, ch}, nil
}

func (m *ownMemory) release() {
	m.ch.Close()
	m.r.release()
}

// Prepare implements platform.Preparer.
func (p *Platform) Prepare() {
	p.mu.Lock()
	have := p.spare
	p.mu.Unlock()
	// Only this adds to the spare, and it is called once at a time.
	if have.th == nil {
		if th, err := p.begin(0); err == nil && p.complete(th) == nil {
			p.mu.Lock()
			p.spare.th = th
			p.mu.Unlock()
		}
	}
	if have.mem == nil {
		if mem, err := p.newOwnMemory(); err == nil {
			p.mu.Lock()
			p.spare.mem = mem
			p.mu.Unlock()
		}
	}
}

// spareThread returns the spare process, if there is one.
func (p *Platform) spareThread() *thread {
	p.mu.Lock()
	t := p.spare.th
	p.spare.th = nil
	p.mu.Unlock()
	if t == nil {
		return nil
	}
	if t.proc.isDead() {
		t.Exit()
		return nil
	}
	t.setSpin()
	return t
}

// takeOwnMemory returns the spare memory, or a new one.
func (p *Platform) takeOwnMemory() (*ownMemory, error) {
	p.mu.Lock()
	m := p.spare.mem
	p.spare.mem = nil
	p.mu.Unlock()
	if m != nil {
		return m, nil
	}
	return p.newOwnMemory()
}

// releaseSpare lets go of what was made in advance.
func (p *Platform) releaseSpare() {
	p.mu.Lock()
	s := p.spare
	p.spare = spare{}
	p.mu.Unlock()
	if s.th != nil {
		s.th.Kill()
		s.th.Exit()
	}
	if s.mem != nil {
		s.mem.release()
	}
}
