// Package oci reads OCI bundles: the parts of config.json (runtime-spec 1.x)
// that mean something to a userspace kernel, checked, with errors that name
// file, line and field.
package oci

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
)

// Bundle is a bundle's directory and configuration.
type Bundle struct {
	Dir  string
	Spec *Spec
}

// Spec is config.json. Field names are those of the specification.
type Spec struct {
	Version     string
	Process     *Process // nil if the container is only to be created
	Root        Root
	Hostname    string
	Domainname  string
	Mounts      []Mount
	Annotations map[string]string
	Hooks       Hooks
	Linux       Linux
	// Ignored lists what the file asks for and a sandbox has no use for,
	// such as "linux.devices": everything of the kind is virtual.
	Ignored []string
}

// Process is the first process.
type Process struct {
	Terminal        bool
	ConsoleSize     Box
	User            User
	Args            []string
	Env             []string
	Cwd             string
	Capabilities    *Capabilities // nil: those that the user has by default
	Rlimits         []Rlimit
	NoNewPrivileges bool
	OOMScoreAdj     *int32
}

// Box is a terminal's size in characters.
type Box struct{ Height, Width uint16 }

// User is whom a process runs as.
type User struct {
	UID, GID       uint32
	Umask          *uint32
	AdditionalGids []uint32
	Username       string
}

// Capabilities are the sets of the guest's own world.
type Capabilities struct {
	Bounding, Effective, Inheritable, Permitted, Ambient cred.CapSet
}

// Rlimit is one resource limit; Resource is a linux.RLIMIT_* number.
type Rlimit struct {
	Resource int
	linux.Rlimit64
}

// Root is the root file system; Path is absolute.
type Root struct {
	Path     string
	Readonly bool
}

// Mount is a file system to mount.
type Mount struct {
	Destination string
	Type        string // bind, tmpfs, proc, sysfs, devpts, mqueue, cgroup
	Source      string // absolute, of a bind
	ReadOnly    bool
	NoExec      bool
	Size        uint64 // of a tmpfs; 0: no limit but memory
	Mode        uint32 // of a tmpfs's root; 0: not given
	UID, GID    uint32
	Options     []string
	Line        int // in config.json
}

// Hook is a program to run at a point of the lifecycle.
type Hook struct {
	Path    string
	Args    []string
	Env     []string
	Timeout int // seconds, 0: none
}

// Hooks are the hooks by the point at which they run.
type Hooks struct {
	Prestart, CreateRuntime, CreateContainer, StartContainer, Poststart, Poststop []Hook
}

// Linux is the platform's section.
type Linux struct {
	Namespaces    []Namespace
	MemoryLimit   uint64 // bytes, 0: none
	PidsLimit     int    // 0: none
	CgroupsPath   string
	MaskedPaths   []string
	ReadonlyPaths []string
	Sysctl        map[string]string
}

// Namespace asks for a name space or to join one.
type Namespace struct{ Type, Path string }
