package jail

import (
	"slices"

	"golang.org/x/sys/unix"
)

// The filter is compiled ahead of time, since doing it at each start took 200
// us; TestCompiled compares the result with what rules and build make. What
// differs between sandboxes stands in it as these values of K.
const (
	placeSpawn = 0x5e9a317d // Config.Spawn
	placeAct   = 0x5e9a317e // Config.Action
)

// variant is the place of a configuration's filter in compiled.
func variant(c *Config) int {
	n := 0
	if c.HostNetwork {
		n |= 1
	}
	if len(c.Write) > 0 {
		n |= 2
	}
	return n
}

// filterFor returns the filter of a sandbox.
func filterFor(c *Config) []unix.SockFilter {
	if len(compiled) == 0 {
		return build(rules(c), c.Action)
	}
	prog := slices.Clone(compiled[variant(c)])
	for i := range prog {
		switch {
		case prog[i].K == placeSpawn && prog[i].Code == jeq:
			prog[i].K = uint32(c.Spawn)
		case prog[i].K == placeAct && prog[i].Code == ret:
			prog[i].K = uint32(c.Action)
		}
	}
	return prog
}
