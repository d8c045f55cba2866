package sandbox

import (
	"log/slog"

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

// newPlatform makes the platform of a name.
func newPlatform(name string, patch bool, _ *slog.Logger) (spawner, error) {
	if name == "trap" {
		p, err := trap.New()
		if err == nil {
			p.Patch = patch
		}
		return p, err
	}
	return ptrace.New()
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
