package sandbox

import (
	"time"

	"sentinel/internal/fs/mem"
	"sentinel/internal/host"
	"sentinel/internal/task"
)

// limits shows the sandbox's limits and use in the guest's cgroup files.
type limits struct {
	k     *task.Kernel
	c     *Config
	quota *mem.Quota
}

func (l *limits) MemoryMax() int64              { return int64(l.c.Memory) }
func (l *limits) MemoryCurrent() int64          { return int64(l.k.MemoryUsed()) + l.quota.Used() }
func (l *limits) CPUMax() (quota, period int64) { return 0, 100000 }
func (l *limits) PidsMax() int64                { return int64(l.c.PIDs) }

func (l *limits) CPUUsage() (user, system int64) {
	return host.Usage(true).CPU.Microseconds(), 0
}

func (l *limits) Pids() []int32 {
	var pids []int32
	for _, g := range l.k.ThreadGroups() {
		pids = append(pids, g.PID())
	}
	return pids
}

// memoryInterval is how often use is compared with the limit. What a process
// can take in between is what it can touch in that time.
const memoryInterval = 20 * time.Millisecond

// watchMemory keeps the sandbox below its limit as the host's out-of-memory
// killer would: it kills the largest process. It counts resident private
// memory of the processes and what file systems keep in memory. It ends when
// done is closed.
func (l *limits) watchMemory(done <-chan struct{}) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		used := uint64(l.quota.Used())
		var worst *task.ThreadGroup
		var size uint64
		for _, g := range l.k.ThreadGroups() {
			m := g.MM()
			if m == nil {
				continue
			}
			_, resident, shared := m.RSS()
			private := resident - min(shared, resident)
			used += private
			if private >= size {
				worst, size = g, private
			}
		}
		if used <= l.c.Memory || worst == nil {
			continue
		}
		l.c.Log.Warn("memory limit reached, killing the largest process",
			"limit", l.c.Memory, "used", used, "pid", worst.PID(), "size", size)
		l.k.OOMKill(worst)
	}
}
