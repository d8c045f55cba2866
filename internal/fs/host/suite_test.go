package host_test

import (
	"syscall"
	"testing"

	"sentinel/internal/fs/host"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
)

func TestSuite(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) vfs.FileSystem {
		fd, err := syscall.Open(t.TempDir(), syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Close(fd) })
		fs, err := host.New(fd, "", host.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return fs
	})
}
