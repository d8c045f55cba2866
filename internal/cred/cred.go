// Package cred holds the credentials of the guest's own world: user and group
// ids and capabilities. They never reach the host.
package cred

import "slices"

// Capability numbers of include/uapi/linux/capability.h that the kernel asks
// for.
const (
	CapChown          = 0
	CapDacOverride    = 1
	CapDacReadSearch  = 2
	CapFowner         = 3
	CapFsetid         = 4
	CapKill           = 5
	CapSetgid         = 6
	CapSetuid         = 7
	CapSetpcap        = 8
	CapNetBindService = 10
	CapNetRaw         = 13
	CapIpcLock        = 14
	CapIpcOwner       = 15
	CapSysChroot      = 18
	CapSysPtrace      = 19
	CapSysAdmin       = 21
	CapSysNice        = 23
	CapSysResource    = 24
	CapSysTime        = 25
	CapMknod          = 27
	CapWakeAlarm      = 35
	CapLast           = 40
)

// CapSet is a set of capabilities, one bit each.
type CapSet uint64

// AllCaps is the set of all capabilities.
const AllCaps CapSet = 1<<(CapLast+1) - 1

// Has reports whether c is in the set.
func (s CapSet) Has(c uint) bool { return s>>c&1 != 0 }

// Cred is a task's credentials. A Cred is immutable once it is shared: change
// a Copy and install that.
type Cred struct {
	UID, EUID, SUID, FSUID uint32
	GID, EGID, SGID, FSGID uint32
	Groups                 []uint32

	Permitted, Effective, Inheritable, Bounding, Ambient CapSet
	SecureBits                                           uint32
	NoNewPrivs                                           bool
}

// New returns the credentials of a process that runs as uid and gid with the
// capabilities caps.
func New(uid, gid uint32, groups []uint32, caps CapSet) *Cred {
	return &Cred{
		UID: uid, EUID: uid, SUID: uid, FSUID: uid,
		GID: gid, EGID: gid, SGID: gid, FSGID: gid,
		Groups: slices.Clone(groups), Permitted: caps, Effective: caps, Bounding: AllCaps,
	}
}

// Copy returns a copy that may be changed.
func (c *Cred) Copy() *Cred {
	n := *c
	n.Groups = slices.Clone(c.Groups)
	return &n
}

// Has reports whether capability n is effective.
func (c *Cred) Has(n uint) bool { return c.Effective.Has(n) }

// InGroup reports whether gid is the file-system group or a supplementary one
// (in_group_p in kernel/groups.c).
func (c *Cred) InGroup(gid uint32) bool {
	return c.FSGID == gid || slices.Contains(c.Groups, gid)
}
