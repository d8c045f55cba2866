package vfs_test

import (
	"testing"

	"sentinel/internal/fs/mem"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
)

func newFS(testing.TB) vfs.FileSystem {
	return mem.New(mem.Options{Size: 64 << 20, Inodes: 10000, Mode: 0o755, DevMinor: 20})
}

func TestSuite(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) vfs.FileSystem { return newFS(t) })
}
