package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sentinel/internal/abi/linux"
)

// TestNames checks names of all lengths, and those that are none.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	for _, n := range []int{1, 100, 254, 255} {
		name := strings.Repeat("n", n)
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := StatAt(fd, name); err != nil || s.Size != int64(n) {
			t.Errorf("%d bytes: size %d, %v", n, s.Size, err)
		}
		// A path longer than what is kept on the stack.
		f, err := OpenBeneath(fd, strings.Repeat("./", 500)+name, linux.O_RDONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := StatAt(f, ""); err != nil || s.Size != int64(n) {
			t.Errorf("%d bytes, opened: size %d, %v", n, s.Size, err)
		}
		Close(f)
	}
	for name, want := range map[string]error{
		strings.Repeat("n", 256): linux.ENAMETOOLONG, "n\x00": linux.EINVAL, "none": linux.ENOENT, "n/n": linux.ENOTDIR,
		strings.Repeat("./", 2100) + "n": linux.ENAMETOOLONG,
	} {
		if _, err := StatAt(fd, name); err != want {
			t.Errorf("stat %.20q: %v, want %v", name, err, want)
		}
		if _, err := OpenBeneath(fd, name, linux.O_RDONLY, 0); err != want {
			t.Errorf("open %.20q: %v, want %v", name, err, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = StatAt(fd, "n") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
