package syscalls

import (
	"slices"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/task"
	"sentinel/internal/usermem"
)

func sysGetuid(t *task.Task) (uint64, error)  { return uint64(t.Cred().UID), nil }
func sysGeteuid(t *task.Task) (uint64, error) { return uint64(t.Cred().EUID), nil }
func sysGetgid(t *task.Task) (uint64, error)  { return uint64(t.Cred().GID), nil }
func sysGetegid(t *task.Task) (uint64, error) { return uint64(t.Cred().EGID), nil }

const noID = ^uint32(0)

// setUIDs installs new user ids and adjusts capabilities (cap_emulate_setxuid in
// security/commoncap.c).
func setUIDs(t *task.Task, c *cred.Cred) {
	old := t.Cred()
	const keepCaps, noSetuidFixup = 0x10, 4
	if c.SecureBits&noSetuidFixup == 0 {
		wasRoot := old.UID == 0 || old.EUID == 0 || old.SUID == 0
		isRoot := c.UID == 0 || c.EUID == 0 || c.SUID == 0
		if wasRoot && !isRoot {
			if c.SecureBits&keepCaps == 0 {
				c.Permitted, c.Effective = 0, 0
			}
			c.Ambient = 0
		}
		if old.EUID == 0 && c.EUID != 0 {
			c.Effective = 0
		}
		if old.EUID != 0 && c.EUID == 0 {
			c.Effective = c.Permitted
		}
	}
	setIDs(t, c)
}

// setIDs installs new credentials; what the task was allowed to be seen of goes
// with the old ones (commit_creds).
func setIDs(t *task.Task, c *cred.Cred) {
	old := t.Cred()
	if old.EUID != c.EUID || old.EGID != c.EGID || old.FSUID != c.FSUID || old.FSGID != c.FSGID || c.Permitted&^old.Permitted != 0 {
		t.SetDumpable(0)
		t.SetDeathSignal(0)
	}
	t.SetCred(c)
}

func sysSetuid(t *task.Task, uid uint32) (uint64, error) {
	if uid == noID {
		return 0, linux.EINVAL
	}
	c := t.Cred().Copy()
	if c.Has(cred.CapSetuid) {
		c.UID, c.SUID = uid, uid
	} else if uid != c.UID && uid != c.SUID {
		return 0, linux.EPERM
	}
	c.EUID, c.FSUID = uid, uid
	setUIDs(t, c)
	return 0, nil
}

func sysSetgid(t *task.Task, gid uint32) (uint64, error) {
	if gid == noID {
		return 0, linux.EINVAL
	}
	c := t.Cred().Copy()
	if c.Has(cred.CapSetgid) {
		c.GID, c.SGID = gid, gid
	} else if gid != c.GID && gid != c.SGID {
		return 0, linux.EPERM
	}
	c.EGID, c.FSGID = gid, gid
	setUIDs(t, c)
	return 0, nil
}

func sysSetreuid(t *task.Task, r, e uint32) (uint64, error) {
	o := t.Cred()
	c, priv := o.Copy(), o.Has(cred.CapSetuid)
	if r != noID {
		if c.UID = r; !priv && r != o.UID && r != o.EUID {
			return 0, linux.EPERM
		}
	}
	if e != noID {
		if c.EUID = e; !priv && e != o.UID && e != o.EUID && e != o.SUID {
			return 0, linux.EPERM
		}
	}
	if r != noID || e != noID && e != o.UID {
		c.SUID = c.EUID
	}
	c.FSUID = c.EUID
	setUIDs(t, c)
	return 0, nil
}

func sysSetregid(t *task.Task, r, e uint32) (uint64, error) {
	o := t.Cred()
	c, priv := o.Copy(), o.Has(cred.CapSetgid)
	if r != noID {
		if c.GID = r; !priv && r != o.GID && r != o.EGID {
			return 0, linux.EPERM
		}
	}
	if e != noID {
		if c.EGID = e; !priv && e != o.GID && e != o.EGID && e != o.SGID {
			return 0, linux.EPERM
		}
	}
	if r != noID || e != noID && e != o.GID {
		c.SGID = c.EGID
	}
	c.FSGID = c.EGID
	setUIDs(t, c)
	return 0, nil
}

func sysSetresuid(t *task.Task, r, e, s uint32) (uint64, error) {
	o := t.Cred()
	c, priv := o.Copy(), o.Has(cred.CapSetuid)
	for _, v := range []struct {
		id  uint32
		dst *uint32
	}{{r, &c.UID}, {e, &c.EUID}, {s, &c.SUID}} {
		if v.id == noID {
			continue
		}
		if !priv && v.id != o.UID && v.id != o.EUID && v.id != o.SUID {
			return 0, linux.EPERM
		}
		*v.dst = v.id
	}
	c.FSUID = c.EUID
	setUIDs(t, c)
	return 0, nil
}

func sysSetresgid(t *task.Task, r, e, s uint32) (uint64, error) {
	o := t.Cred()
	c, priv := o.Copy(), o.Has(cred.CapSetgid)
	for _, v := range []struct {
		id  uint32
		dst *uint32
	}{{r, &c.GID}, {e, &c.EGID}, {s, &c.SGID}} {
		if v.id == noID {
			continue
		}
		if !priv && v.id != o.GID && v.id != o.EGID && v.id != o.SGID {
			return 0, linux.EPERM
		}
		*v.dst = v.id
	}
	c.FSGID = c.EGID
	setUIDs(t, c)
	return 0, nil
}

func copyOutIDs(t *task.Task, addrs [3]uint64, ids [3]uint32) error {
	for i, a := range addrs {
		if err := usermem.CopyOutObject(t.Mem(), a, &ids[i]); err != nil {
			return err
		}
	}
	return nil
}

func sysGetresuid(t *task.Task, r, e, s uint64) (uint64, error) {
	c := t.Cred()
	return 0, copyOutIDs(t, [3]uint64{r, e, s}, [3]uint32{c.UID, c.EUID, c.SUID})
}

func sysGetresgid(t *task.Task, r, e, s uint64) (uint64, error) {
	c := t.Cred()
	return 0, copyOutIDs(t, [3]uint64{r, e, s}, [3]uint32{c.GID, c.EGID, c.SGID})
}

func sysSetfsuid(t *task.Task, uid uint32) (uint64, error) {
	o := t.Cred()
	if uid != noID && (uid == o.UID || uid == o.EUID || uid == o.SUID || uid == o.FSUID || o.Has(cred.CapSetuid)) {
		c := o.Copy()
		const fsCaps = 1<<cred.CapChown | 1<<cred.CapDacOverride | 1<<cred.CapDacReadSearch | 1<<cred.CapFowner | 1<<cred.CapFsetid | 1<<cred.CapMknod
		if o.FSUID == 0 && uid != 0 {
			c.Effective &^= fsCaps
		} else if o.FSUID != 0 && uid == 0 {
			c.Effective |= c.Permitted & fsCaps
		}
		c.FSUID = uid
		setIDs(t, c)
	}
	return uint64(o.FSUID), nil
}

func sysSetfsgid(t *task.Task, gid uint32) (uint64, error) {
	o := t.Cred()
	if gid != noID && (gid == o.GID || gid == o.EGID || gid == o.SGID || gid == o.FSGID || o.Has(cred.CapSetgid)) {
		c := o.Copy()
		c.FSGID = gid
		setIDs(t, c)
	}
	return uint64(o.FSGID), nil
}

const maxGroups = 65536 // NGROUPS_MAX

func sysGetgroups(t *task.Task, size int32, list uint64) (uint64, error) {
	g := t.Cred().Groups
	if size < 0 {
		return 0, linux.EINVAL
	}
	if size == 0 {
		return uint64(len(g)), nil
	}
	if int(size) < len(g) {
		return 0, linux.EINVAL
	}
	return uint64(len(g)), usermem.CopyOutSlice(t.Mem(), list, g)
}

func sysSetgroups(t *task.Task, size int32, list uint64) (uint64, error) {
	if !t.Cred().Has(cred.CapSetgid) {
		return 0, linux.EPERM
	}
	if size < 0 || size > maxGroups {
		return 0, linux.EINVAL
	}
	g := make([]uint32, size)
	if err := usermem.CopyInSlice(t.Mem(), list, g); err != nil {
		return 0, err
	}
	slices.Sort(g)
	c := t.Cred().Copy()
	c.Groups = g
	t.SetCred(c)
	return 0, nil
}

// capHeader and capData are the structures of capget(2).
type capHeader struct {
	Version uint32
	PID     int32
}

type capData struct{ Effective, Permitted, Inheritable uint32 }

const (
	capVersion1 = 0x19980330
	capVersion2 = 0x20071026
	capVersion3 = 0x20080522
)

// capVersion returns how many capData the version has. An unknown one is
// answered with the preferred version.
func capVersion(t *task.Task, hdrp uint64) (capHeader, int, error) {
	var h capHeader
	if err := usermem.CopyInObject(t.Mem(), hdrp, &h); err != nil {
		return h, 0, err
	}
	switch h.Version {
	case capVersion1:
		return h, 1, nil
	case capVersion2, capVersion3:
		return h, 2, nil
	}
	v := uint32(capVersion3)
	if err := usermem.CopyOutObject(t.Mem(), hdrp, &v); err != nil {
		return h, 0, err
	}
	return h, 0, linux.EINVAL
}

func sysCapget(t *task.Task, hdrp, datap uint64) (uint64, error) {
	h, n, err := capVersion(t, hdrp)
	if err != nil {
		if datap == 0 && err == linux.EINVAL {
			return 0, nil
		}
		return 0, err
	}
	if h.PID < 0 {
		return 0, linux.EINVAL
	}
	c := t.Cred()
	if h.PID != 0 && h.PID != t.TID() {
		x := t.Kernel().Task(h.PID)
		if x == nil {
			return 0, linux.ESRCH
		}
		c = x.Cred()
	}
	if datap == 0 {
		return 0, nil
	}
	d := make([]capData, n)
	for i := range d {
		s := 32 * i
		d[i] = capData{uint32(c.Effective >> s), uint32(c.Permitted >> s), uint32(c.Inheritable >> s)}
	}
	return 0, usermem.CopyOutSlice(t.Mem(), datap, d)
}

func sysCapset(t *task.Task, hdrp, datap uint64) (uint64, error) {
	h, n, err := capVersion(t, hdrp)
	if err != nil {
		return 0, err
	}
	if h.PID != 0 && h.PID != t.TID() {
		return 0, linux.EPERM
	}
	d := make([]capData, n)
	if err := usermem.CopyInSlice(t.Mem(), datap, d); err != nil {
		return 0, err
	}
	var e, p, i cred.CapSet
	for k := range d {
		s := 32 * k
		e |= cred.CapSet(d[k].Effective) << s
		p |= cred.CapSet(d[k].Permitted) << s
		i |= cred.CapSet(d[k].Inheritable) << s
	}
	e, p, i = e&cred.AllCaps, p&cred.AllCaps, i&cred.AllCaps
	o := t.Cred()
	// cap_capset in security/commoncap.c.
	if !o.Has(cred.CapSetpcap) && i&^(o.Inheritable|o.Permitted) != 0 ||
		i&^(o.Inheritable|o.Bounding) != 0 || p&^o.Permitted != 0 || e&^p != 0 {
		return 0, linux.EPERM
	}
	c := o.Copy()
	c.Effective, c.Permitted, c.Inheritable = e, p, i
	c.Ambient &= p & i
	t.SetCred(c)
	return 0, nil
}
