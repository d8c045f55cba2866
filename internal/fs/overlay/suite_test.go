package overlay_test

import (
	"syscall"
	"testing"

	"sentinel/internal/fs/mem"
	"sentinel/internal/fs/overlay"
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
		fs, err := overlay.New(fd, mem.Options{Size: 64 << 20, Inodes: 10000})
		if err != nil {
			t.Fatal(err)
		}
		return fs
	})
}
