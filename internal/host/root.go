package host

import (
	"golang.org/x/sys/unix"
)

// OpenRoot returns a descriptor of the directory path to serve files from. With
// the privilege for it, that is a copy of the tree of mounts there that nobody
// else sees, read-only and without device nodes as a whole; private tells so.
func OpenRoot(path string) (fd int, private bool, err error) {
	fd, err = unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err == nil {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
		if err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err == nil {
			return fd, true, nil
		}
		unix.Close(fd)
	}
	fd, err = OpenDir(path)
	return fd, false, err
}

// OpenDir returns an O_PATH descriptor of a directory.
func OpenDir(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return fd, errno(err)
}

// OpenAny returns an O_PATH descriptor of anything.
func OpenAny(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	return fd, errno(err)
}
