package task

import (
	"sentinel/internal/mm"
	"sentinel/internal/signal"
)

// MM returns the memory of a process, nil once it has ended.
func (g *ThreadGroup) MM() *mm.MM {
	g.k.mu.Lock()
	defer g.k.mu.Unlock()
	for _, t := range g.tasks {
		if m := t.mm.Load(); m != nil && !t.exited {
			return m
		}
	}
	return nil
}

// OOMKill ends a process as the out-of-memory killer does.
func (k *Kernel) OOMKill(g *ThreadGroup) { k.KillGroup(g, killedBy(signal.SIGKILL)) }
