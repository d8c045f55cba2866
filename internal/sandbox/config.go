// Package sandbox puts a sandbox together and runs it: file systems, network,
// kernel, platform and jail. It is the only place that knows all of them.
package sandbox

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"sentinel/internal/cred"
	"sentinel/internal/oci"
	"sentinel/internal/task"
)

// Exit codes of sentinel itself.
const (
	ExitTimeout     = 124
	ExitFailure     = 125
	ExitCannotExec  = 126
	ExitNotFound    = 127
	exitSignalFirst = 128
)

// Error is a failure to run the command, with sentinel's exit code.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Config says what to run and how.
type Config struct {
	ID       string // of the container; "" for do
	Platform string
	// HostLoopback has the host make TCP connections between sockets of the
	// sandbox, which otherwise are made without it.
	HostLoopback bool
	// NoPatch keeps the trap platform from patching hot call sites, for
	// debuggers in the sandbox.
	NoPatch bool
	Args    []string
	Env     []string
	Cwd     string

	// Root is the host's directory to serve as root; changes stay in memory.
	Root         string
	RootReadonly bool
	// Mounts are made after the usual ones, in order.
	Mounts      []oci.Mount
	OverlaySize uint64 // bytes of changes; 0: half of the memory

	// CallerUser runs the command as the caller; otherwise User, as
	// NAME|UID[:NAME|GID], or else IDs.
	CallerUser bool
	User       string
	IDs        oci.User
	Caps       *oci.Capabilities
	NoNewPrivs bool

	Hostname, Domainname string
	NoNetwork            bool

	Memory      uint64 // bytes, 0: no limit
	PIDs        int    // 0: no limit
	Timeout     time.Duration
	Rlimits     []oci.Rlimit
	OOMScoreAdj int32

	// Terminal makes the caller's terminal that of the command, with
	// ConsoleSize if that is set.
	Terminal    bool
	ConsoleSize oci.Box

	// Start is from Begin, for Stats.
	Start Start
	// Strace and Stats are where to print, nil for not at all.
	Strace, Stats *os.File
	Log           *slog.Logger

	bundle  bool
	ignored []string // of config.json
}

// FromBundle fills in what a bundle says; what flags have set stays.
func (c *Config) FromBundle(b *oci.Bundle) error {
	s := b.Spec
	p := s.Process
	if p == nil {
		return fmt.Errorf("%s/config.json: process: missing", b.Dir)
	}
	if h := &s.Hooks; len(h.Prestart)+len(h.CreateRuntime)+len(h.CreateContainer)+len(h.StartContainer)+len(h.Poststart)+len(h.Poststop) > 0 {
		return fmt.Errorf("%s/config.json: hooks: not supported yet", b.Dir)
	}
	c.bundle, c.ignored = true, s.Ignored
	c.Args, c.Env, c.Cwd = p.Args, p.Env, p.Cwd
	c.Root, c.RootReadonly = s.Root.Path, s.Root.Readonly
	// The specification's default file systems are there in any case;
	// config.json only adds to them and says how big they are.
	c.Mounts = append(append([]oci.Mount(nil), s.Mounts...), c.Mounts...)
	c.IDs, c.Caps, c.NoNewPrivs = p.User, p.Capabilities, p.NoNewPrivileges
	if c.Hostname == "" {
		c.Hostname = s.Hostname
	}
	c.Domainname = s.Domainname
	if c.Memory == 0 {
		c.Memory = s.Linux.MemoryLimit
	}
	if c.PIDs == 0 {
		c.PIDs = s.Linux.PidsLimit
	}
	c.Rlimits = p.Rlimits
	if p.OOMScoreAdj != nil {
		c.OOMScoreAdj = *p.OOMScoreAdj
	}
	c.Terminal, c.ConsoleSize = p.Terminal, p.ConsoleSize
	return nil
}

// hostLabel returns the host name to show.
func (c *Config) hostLabel() string {
	if c.Hostname != "" {
		return c.Hostname
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "sentinel"
}

// limits are those of the first process: the caller's, or for a bundle the
// defaults, with what the configuration sets.
func (c *Config) limits(caller task.Limits) task.Limits {
	l := caller
	if c.bundle {
		l = task.DefaultLimits()
	}
	for _, r := range c.Rlimits {
		l[r.Resource] = r.Rlimit64
	}
	return l
}

// capsFor applies the configured capability sets to credentials.
func (c *Config) capsFor(cr *cred.Cred) {
	if c.Caps != nil {
		cr.Bounding = c.Caps.Bounding
		cr.Permitted = c.Caps.Permitted & c.Caps.Bounding
		cr.Effective = c.Caps.Effective & cr.Permitted
		cr.Inheritable = c.Caps.Inheritable
		cr.Ambient = c.Caps.Ambient & cr.Permitted & cr.Inheritable
	}
	cr.NoNewPrivs = c.NoNewPrivs
}

// hasEnv reports whether a variable is set.
func hasEnv(env []string, name string) bool {
	for _, kv := range env {
		if strings.HasPrefix(kv, name+"=") {
			return true
		}
	}
	return false
}
