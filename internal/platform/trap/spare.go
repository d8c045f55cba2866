package trap

import "sentinel/internal/platform/stub"

// spare is what the next exec and the next fork need of the host, made in
// advance: a process that begins to stand in the stub, in which no guest has run,
// and the memory and the channel of another. There is one at most.
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

// Begin implements platform.Beginner. If it fails, NewProcess tries again and
// says why.
func (p *Platform) Begin() { p.addThread() }

// Prepare implements platform.Preparer. It makes what is not there. One thread at a
// time does, and nobody else adds to the spare.
func (p *Platform) Prepare() {
	p.mu.Lock()
	busy, have := p.preparing, p.spare
	p.preparing = true
	p.mu.Unlock()
	if busy {
		return
	}
	if have.th == nil {
		p.addThread()
	}
	if have.mem == nil {
		if m, err := p.newOwnMemory(); err == nil { // else the next fork tells
			p.mu.Lock()
			p.spare.mem = m
			p.mu.Unlock()
		}
	}
	p.mu.Lock()
	p.preparing = false
	p.mu.Unlock()
}

func (p *Platform) addThread() {
	if t, err := p.begin(); err == nil {
		p.mu.Lock()
		p.spare.th = t
		p.mu.Unlock()
	}
}

// takeThread returns the spare process, if there is one that works.
func (p *Platform) takeThread() *thread {
	p.mu.Lock()
	t := p.spare.th
	p.spare.th = nil
	p.mu.Unlock()
	if t == nil || p.complete(t) != nil {
		return nil
	}
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
		p.watch(s.th)
		s.th.Kill()
		s.th.Exit()
	}
	if s.mem != nil {
		s.mem.release()
	}
}
