package sandbox

import (
	"log/slog"
	"sync/atomic"

	"sentinel/internal/jail"
	"sentinel/internal/platform"
	"sentinel/internal/platform/ptrace"
	"sentinel/internal/platform/trap"
)

// Platforms are the names that --platform takes, the default first.
var Platforms = []string{"trap", "ptrace"}

// spawner is a platform that starts guest processes from one file.
type spawner interface {
	platform.Platform
	// SpawnFD is the file's descriptor, for the jail.
	SpawnFD() int
}

// newPlatform makes the platform of a name. Where the host forbids what trap
// needs, it is ptrace instead.
func newPlatform(name string, patch bool, fit func() bool, log *slog.Logger) (spawner, error) {
	if name != "trap" {
		return ptrace.New()
	}
	p, err := trap.New()
	if err != nil {
		log.Warn("platform trap does not work here, using ptrace", "error", err)
		return ptrace.New()
	}
	p.Patch = patch
	p.Fit = fit
	return &fallback{spawner: p, log: log, other: func(fd int) (spawner, error) {
		o, err := ptrace.New()
		if err == nil {
			err = o.SpawnFrom(fd)
		}
		return o, err
	}}, nil
}

// fallback is a platform that gives way to another if its first process cannot
// be started, which is when the host says what it forbids.
type fallback struct {
	spawner
	log     *slog.Logger
	other   func(spawnFD int) (spawner, error)
	settled atomic.Bool
}

// NewProcess implements platform.Platform. The first call comes alone.
func (f *fallback) NewProcess() (platform.Thread, error) {
	th, err := f.spawner.NewProcess()
	if f.settled.Load() {
		return th, err
	}
	f.settled.Store(true)
	if err == nil {
		return th, nil
	}
	// The jail allows one file to be executed, by its descriptor.
	o, oerr := f.other(f.SpawnFD())
	if oerr != nil {
		return nil, err
	}
	f.log.Warn("platform "+f.Name()+" does not work here, using "+o.Name(), "error", err)
	f.spawner = o
	return o.NewProcess()
}

// Prepare implements platform.Preparer.
func (f *fallback) Prepare() {
	if p, ok := f.spawner.(platform.Preparer); ok {
		p.Prepare()
	}
}

// Begin implements platform.Beginner.
func (f *fallback) Begin() {
	if p, ok := f.spawner.(platform.Beginner); ok {
		p.Begin()
	}
}

// filterAction is what the supervisor's filter does with a call that is not on
// its list. Guest processes inherit the filter; on the trap platform their
// calls must trap, which a filter that kills would come before.
func filterAction(name string, a jail.Action) jail.Action {
	if name == "trap" && a == jail.Kill {
		return jail.Trap
	}
	return a
}
