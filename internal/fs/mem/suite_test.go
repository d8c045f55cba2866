package mem_test

import (
	"testing"

	"sentinel/internal/fs/mem"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
)

func TestSuite(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FileSystem { return mem.New(mem.Options{Size: 64 << 20, Inodes: 10000}) })
}
