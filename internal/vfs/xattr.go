package vfs

import (
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
)

const (
	xattrNameMax = 255
	xattrSizeMax = 65536
	capSetfcap   = 31
)

// mayXattr is xattr_permission of fs/xattr.c, and cap_inode_setxattr, and then
// xattr_resolve_name.
func (c *Context) mayXattr(p Path, name string, mask uint32) error {
	if err := c.xattrPermission(p, name, mask); err != nil {
		return err
	}
	switch name {
	case "user.", "trusted.", "security.":
		return linux.EINVAL
	}
	return nil
}

func (c *Context) xattrPermission(p Path, name string, mask uint32) error {
	if name == "" || len(name) > xattrNameMax {
		return linux.ERANGE
	}
	refused := linux.ENODATA
	if mask&mayWrite != 0 {
		refused = linux.EPERM
	}
	switch {
	case name == "security.capability":
		if mask&mayWrite != 0 && !c.capable(capSetfcap) {
			return linux.EPERM
		}
		return nil
	case strings.HasPrefix(name, "security."):
		if mask&mayWrite != 0 && !c.capable(cred.CapSysAdmin) {
			return linux.EPERM
		}
		return nil
	case strings.HasPrefix(name, "system."):
		return linux.EOPNOTSUPP // POSIX ACLs
	case strings.HasPrefix(name, "trusted."):
		if !c.capable(cred.CapSysAdmin) {
			return refused
		}
		return nil
	case strings.HasPrefix(name, "user."):
		switch p.Dentry.typ {
		case linux.S_IFREG:
		case linux.S_IFDIR:
			if mask&mayWrite != 0 {
				a, err := p.Attr()
				if err != nil {
					return err
				}
				if a.Mode&linux.S_ISVTX != 0 && !c.owns(&a) {
					return linux.EPERM
				}
			}
		default:
			return refused
		}
		return c.may(p, mask)
	}
	return linux.EOPNOTSUPP
}

// Getxattr returns an extended attribute of p.
func (v *VFS) Getxattr(c *Context, p Path, name string) ([]byte, error) {
	if err := c.mayXattr(p, name, mayRead); err != nil {
		return nil, err
	}
	x, ok := p.Dentry.ino.(XattrInode)
	if !ok {
		return nil, linux.EOPNOTSUPP
	}
	return x.Getxattr(c, name)
}

// Setxattr sets one; flags are linux.XATTR_*.
func (v *VFS) Setxattr(c *Context, p Path, name string, value []byte, flags uint32) error {
	if flags&^(linux.XATTR_CREATE|linux.XATTR_REPLACE) != 0 {
		return linux.EINVAL
	}
	if len(value) > xattrSizeMax {
		return linux.E2BIG
	}
	if err := p.wantWrite(); err != nil {
		return err
	}
	if err := c.mayXattr(p, name, mayWrite); err != nil {
		return err
	}
	x, ok := p.Dentry.ino.(XattrInode)
	if !ok {
		return linux.EOPNOTSUPP
	}
	if err := x.Setxattr(c, name, value, flags); err != nil {
		return err
	}
	notify(p.Dentry, linux.IN_ATTRIB)
	return nil
}

// Listxattr returns the names that the caller may see.
func (v *VFS) Listxattr(c *Context, p Path) ([]string, error) {
	x, ok := p.Dentry.ino.(XattrInode)
	if !ok {
		return nil, nil
	}
	names, err := x.Listxattr(c)
	if err != nil || c.capable(cred.CapSysAdmin) {
		return names, err
	}
	seen := names[:0:0]
	for _, n := range names {
		if !strings.HasPrefix(n, "trusted.") {
			seen = append(seen, n)
		}
	}
	return seen, nil
}

// Removexattr removes one.
func (v *VFS) Removexattr(c *Context, p Path, name string) error {
	if err := p.wantWrite(); err != nil {
		return err
	}
	if err := c.mayXattr(p, name, mayWrite); err != nil {
		return err
	}
	x, ok := p.Dentry.ino.(XattrInode)
	if !ok {
		return linux.EOPNOTSUPP
	}
	if err := x.Removexattr(c, name); err != nil {
		return err
	}
	notify(p.Dentry, linux.IN_ATTRIB)
	return nil
}
