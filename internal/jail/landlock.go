package jail

import (
	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// Rights on files by Landlock's ABI version: those of version n are the first
// n entries together.
var fileRights = [...]uint64{
	1: unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM,
	2: unix.LANDLOCK_ACCESS_FS_REFER,
	3: unix.LANDLOCK_ACCESS_FS_TRUNCATE,
	5: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV,
	7: 0,
}

const (
	readRights = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// writeRights leave out devices: a volume gives no way to make or
	// control one.
	writeRights = readRights | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
	fileOnly = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE

	// errataScopedSignals: signals between threads of one process pass even
	// if each thread has a domain of its own (fixed in Linux 6.15 and
	// stable kernels).
	errataScopedSignals = 1 << 1
)

// ruleset is what Landlock is to handle at a version of its ABI.
type ruleset struct{ fs, net, scoped uint64 }

func rulesetFor(abi int, errata uint64, hostNetwork bool) ruleset {
	var r ruleset
	for v, bits := range fileRights {
		if v <= abi {
			r.fs |= bits
		}
	}
	if abi >= 4 && !hostNetwork {
		r.net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 6 {
		r.scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
		if abi >= 7 || errata&errataScopedSignals != 0 {
			r.scoped |= unix.LANDLOCK_SCOPE_SIGNAL
		}
	}
	return r
}

// size is that of struct landlock_ruleset_attr as the ABI version knows it.
func rulesetSize(abi int) uintptr {
	switch {
	case abi >= 6:
		return 24
	case abi >= 4:
		return 16
	}
	return 8
}

// restrictFiles puts all threads into a Landlock domain. A host without
// Landlock is noted and accepted: the root is read-only all the same, by its
// mount or by the seccomp filter.
func restrictFiles(c *Config) error {
	abi := landlockVersion()
	if abi == 0 {
		c.Log.Warn("the host kernel has no Landlock: the supervisor's reads are not confined to the sandbox's roots")
		return nil
	}
	r := rulesetFor(abi, landlockErrata(), c.HostNetwork)
	fd, err := landlockCreate(&r, rulesetSize(abi))
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, d := range c.Read {
		if err := allow(fd, d, readRights&r.fs); err != nil {
			return err
		}
	}
	for _, d := range c.Write {
		if err := allow(fd, d, writeRights&r.fs); err != nil {
			return err
		}
	}
	const tsyncABI = 8
	if abi >= tsyncABI {
		oneDomain = true
		return landlockRestrict(fd, unix.LANDLOCK_RESTRICT_SELF_TSYNC)
	}
	return allThreads(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(fd), 0, 0)
}

func allow(ruleset, fd int, rights uint64) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return linux.Errno(err.(unix.Errno))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= fileOnly
	}
	return landlockAllow(ruleset, fd, rights)
}
