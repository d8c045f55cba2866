package sandbox

import (
	"fmt"
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/host"
	"sentinel/internal/vfs"
)

// maxAccounts bounds how much of passwd and group is read, in bytes.
const maxAccounts = 1 << 20

// account is what is known of a user.
type account struct {
	uid, gid uint32
	groups   []uint32
	home     string
}

// credentials works out whom the command runs as, and its home directory.
func (c *Config) credentials(v *vfs.VFS, caller *host.Caller) (*cred.Cred, string, error) {
	var a account
	switch {
	case c.CallerUser:
		a = account{uid: caller.UID, gid: caller.GID, groups: caller.Groups}
	case c.User != "":
		var err error
		if a, err = findAccount(c.User, readGuest(v, "/etc/passwd"), readGuest(v, "/etc/group")); err != nil {
			return nil, "", err
		}
	default:
		a = account{uid: c.IDs.UID, gid: c.IDs.GID, groups: c.IDs.AdditionalGids}
		if !hasEnv(c.Env, "HOME") {
			a.home = homeOf(a.uid, readGuest(v, "/etc/passwd"))
		}
	}
	caps := cred.CapSet(0)
	if a.uid == 0 {
		caps = cred.AllCaps
	}
	cr := cred.New(a.uid, a.gid, a.groups, caps)
	c.capsFor(cr)
	return cr, a.home, nil
}

// findAccount resolves USER[:GROUP] by the text of passwd and group files. A
// number need not be listed.
func findAccount(spec, passwd, group string) (account, error) {
	user, grp, hasGroup := strings.Cut(spec, ":")
	var a account
	id, numErr := strconv.ParseUint(user, 10, 32)
	a.uid = uint32(id)
	name, found := "", false
	for line := range strings.SplitSeq(passwd, "\n") {
		f := strings.Split(line, ":")
		if len(f) < 7 || f[0] != user && (numErr != nil || f[2] != strconv.FormatUint(id, 10)) {
			continue
		}
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		a.uid, a.gid, a.home, name, found = uint32(uid), uint32(gid), f[5], f[0], true
		break
	}
	if !found && numErr != nil {
		return a, fmt.Errorf("no user %q in the root's /etc/passwd", user)
	}
	gid, gidErr := strconv.ParseUint(grp, 10, 32)
	foundGroup := false
	for line := range strings.SplitSeq(group, "\n") {
		f := strings.Split(line, ":")
		if len(f) < 4 {
			continue
		}
		n, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			continue
		}
		if hasGroup && f[0] == grp {
			gid, foundGroup = n, true
		}
		// Supplementary groups only if no group was asked for, as Docker.
		if !hasGroup && name != "" {
			for member := range strings.SplitSeq(f[3], ",") {
				if member == name {
					a.groups = append(a.groups, uint32(n))
				}
			}
		}
	}
	if hasGroup {
		if !foundGroup && gidErr != nil {
			return a, fmt.Errorf("no group %q in the root's /etc/group", grp)
		}
		a.gid = uint32(gid)
	}
	return a, nil
}

func homeOf(uid uint32, passwd string) string {
	a, err := findAccount(strconv.FormatUint(uint64(uid), 10), passwd, "")
	if err != nil {
		return ""
	}
	return a.home
}

// readGuest returns the start of a file of the sandbox, empty if it cannot be
// read.
func readGuest(v *vfs.VFS, name string) string {
	c := &vfs.Context{}
	f, err := v.OpenAt(c, vfs.Path{}, name, linux.O_RDONLY|linux.O_NONBLOCK, 0, 0)
	if err != nil {
		return ""
	}
	defer f.DecRef()
	if a, err := f.Ino.Attr(); err != nil || a.Type() != linux.S_IFREG {
		return ""
	}
	buf := make([]byte, 0, 4096)
	for len(buf) < maxAccounts {
		if len(buf) == cap(buf) {
			buf = append(buf, make([]byte, len(buf))...)[:len(buf)]
		}
		n, err := f.Ops.Read(c, f, buf[len(buf):cap(buf)], int64(len(buf)))
		if n <= 0 || err != nil {
			break
		}
		buf = buf[:len(buf)+n]
	}
	return string(buf)
}
