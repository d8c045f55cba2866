package programs

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"sentinel/test/bench/workloads"
)

func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "programs:", err)
		code = 1
	}
	os.Exit(code)
}

// setUp makes the shared inputs, runs the tests, and clears up.
func setUp(m *testing.M) (int, error) {
	base, err := os.MkdirTemp("", "sentinel-programs-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(base)
	if err := os.Chmod(base, 0o755); err != nil {
		return 1, err
	}
	world.base, world.data, world.bin = base, filepath.Join(base, "data"), filepath.Join(base, "bin")
	world.platforms = strings.Split(or(os.Getenv("SENTINEL_PLATFORMS"), "ptrace"), ",")
	// Orphans of what we run become our children, where leftProcesses sees them.
	const prSetChildSubreaper = 36
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); errno != 0 {
		return 1, errno
	}
	if err := os.Mkdir(world.bin, 0o755); err != nil {
		return 1, err
	}
	if !slices.Equal(world.platforms, []string{"native"}) {
		// A copy, because an ordinary user may not reach the work tree.
		source := or(os.Getenv("SENTINEL"), "../../bin/sentinel")
		binary, err := os.ReadFile(source)
		if err != nil {
			return 1, fmt.Errorf("%w: build it with `make build`", err)
		}
		world.sentinel = filepath.Join(base, "sentinel")
		if err := os.WriteFile(world.sentinel, binary, 0o755); err != nil {
			return 1, err
		}
	}
	// Guests in Go: one static program each.
	build := exec.Command("go", "build", "-trimpath", "-o", world.bin, "./guests/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building guests: %w\n%s", err, out)
	}
	model := or(os.Getenv("SENTINEL_MODEL"), "../../../shared/data")
	if err := workloads.Prepare(world.data, model); err != nil {
		return 1, err
	}
	if err := workloads.Compile(world.data, world.bin); err != nil {
		return 1, err
	}
	picture, err := os.ReadFile(filepath.Join(world.data, "picture.bmp"))
	if err != nil {
		return 1, err
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/bmp")
		http.ServeContent(w, r, "picture.bmp", workloads.Epoch, bytes.NewReader(picture))
	}))
	defer server.Close()
	world.imageURL = server.URL + "/picture.bmp"
	return m.Run(), nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
