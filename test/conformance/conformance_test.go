// Package conformance runs the guest programs of test/guest natively and then
// under Sentinel on every platform: Linux is the oracle, so both must pass and
// print the same.
//
//	SENTINEL_PLATFORMS  comma-separated platforms (default "ptrace"; "none": native only)
//	SENTINEL            the binary (default ../../bin/sentinel)
//	SENTINEL_STRACE=1   on failure, run once more with --strace and show its end
//	SENTINEL_UID        run everything as this user (needs root)
//
// Subtests are Family/Program/platform, the native run's platform is "native".
package conformance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const guestDir = "../guest"

// limit bounds one run of a guest; it is for hangs, not a promise.
const limit = 240 * time.Second

// A guest is one program: a C file, or a directory with a Go main package.
type guest struct {
	family, name string
	source       string
	flags        []string // of the C compiler, from the marker "build: ..."
	networks     []string // from the marker "network: ..."; loopback is the host's with --loopback=host
}

func guests(t *testing.T) []guest {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(guestDir, "*.c"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no guests in %s: %v", guestDir, err)
	}
	var gs []guest
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(f), ".c")
		family, _, _ := strings.Cut(name, "_")
		g := guest{family: family, name: name, source: f, networks: []string{"none"}}
		g.flags = strings.Fields(marker(text, "build"))
		if n := strings.Fields(marker(text, "network")); len(n) > 0 {
			g.networks = n
		}
		gs = append(gs, g)
	}
	dirs, _ := filepath.Glob(filepath.Join(guestDir, "*", "main.go"))
	for _, f := range dirs {
		name := filepath.Base(filepath.Dir(f))
		gs = append(gs, guest{family: "go", name: name, source: filepath.Dir(f), networks: []string{"none"}})
	}
	return gs
}

// marker finds "/* KEY: VALUE */" in the first lines of a C file.
func marker(text []byte, key string) string {
	lines := strings.SplitN(string(text), "\n", 6)
	for _, l := range lines {
		if v, ok := strings.CutPrefix(l, "/* "+key+":"); ok {
			return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "*/"))
		}
	}
	return ""
}

var warnings = []string{"-Wall", "-Wextra", "-Wno-stringop-overflow", "-Wno-stringop-overread", "-Wno-nonnull",
	"-Wno-array-bounds", "-Wno-unused-result", "-Wno-dangling-pointer", "-Wno-infinite-recursion"}

// build compiles a guest once and keeps it under the user's cache, keyed by its
// sources and the compiler's arguments.
func build(t *testing.T, g guest) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil || os.Getenv("SENTINEL_UID") != "" {
		cache = os.TempDir() // which another user can reach
	}
	cache = filepath.Join(cache, "sentinel-guests")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	files, _ := filepath.Glob(filepath.Join(guestDir, "*.h"))
	files = append(files, g.source)
	if g.family == "go" {
		files, _ = filepath.Glob(filepath.Join(g.source, "*.go"))
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(text)
	}
	fmt.Fprint(h, g.flags, warnings, runtime.Version(), runtime.GOARCH)
	out := filepath.Join(cache, g.name+"-"+hex.EncodeToString(h.Sum(nil)[:8]))
	if _, err := os.Stat(out); err == nil {
		return out
	}
	tmp := fmt.Sprintf("%s.%d", out, os.Getpid())
	var cmd *exec.Cmd
	if g.family == "go" {
		cmd = exec.Command("go", "build", "-trimpath", "-o", tmp, ".")
		cmd.Dir = g.source
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	} else {
		args := append([]string{"-std=gnu17", "-O1", "-I", guestDir}, warnings...)
		args = append(args, "-o", tmp, g.source)
		cmd = exec.Command("gcc", append(args, g.flags...)...)
	}
	if text, err := cmd.CombinedOutput(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			t.Fatalf("%s is not installed: the guests need gcc, libc headers and go", cmd.Args[0])
		}
		t.Fatalf("build of %s: %v\n%s", g.name, err, text)
	}
	if err := os.Rename(tmp, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// run executes a command in its own process group, which is killed at the
// limit, and gives its standard output and error together. It is an error when
// a process of the group outlives the command.
func run(env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid, err := strconv.Atoi(os.Getenv("SENTINEL_UID")); err == nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
		cmd.Dir = os.TempDir()
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("still running after %v", limit)
	}
	if cmd.Process != nil && !gone(-cmd.Process.Pid) {
		err = errors.Join(err, errors.New("left a process behind"))
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return out.String(), err
}

// gone waits a little for a process group to end: its members may be dying.
func gone(pid int) bool {
	for range 100 {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

// scratch is an empty directory for a guest's files, which must be empty again
// afterwards: a guest under Sentinel writes to memory only.
func scratch(t *testing.T) string {
	dir := t.TempDir()
	for d, mode := range map[string]os.FileMode{dir: 0o777 | os.ModeSticky, filepath.Dir(dir): 0o755} {
		if err := os.Chmod(d, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left in $TMPDIR: %v %v", left, err)
		}
	})
	return dir
}

func sentinel(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("SENTINEL")
	if bin == "" {
		bin = "../../bin/sentinel"
	}
	bin, err := filepath.Abs(bin) // absolute: the run may be in another directory
	if err == nil {
		_, err = os.Stat(bin)
	}
	if err != nil {
		t.Fatalf("no sentinel binary (build it with make, or set SENTINEL): %v", err)
	}
	return bin
}

func platforms() []string {
	p := os.Getenv("SENTINEL_PLATFORMS")
	switch p {
	case "":
		return []string{"ptrace"}
	case "none":
		return nil
	}
	return strings.Split(p, ",")
}

// failures keeps the lines of a guest's output that tell what went wrong.
func failures(out string) string {
	var b strings.Builder
	for l := range strings.Lines(out) {
		if !strings.HasPrefix(l, "ok ") {
			b.WriteString(l)
		}
	}
	return tail(b.String(), 40)
}

func tail(s string, n int) string {
	lines := strings.Split(s, "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}

// check runs a guest natively and then on each platform, all under a command if
// one is given.
func check(t *testing.T, g guest, prog string, under ...string) {
	var want string
	ok := t.Run("native", func(t *testing.T) {
		out, err := run([]string{"TMPDIR=" + scratch(t)}, append(slices.Clone(under), prog)...)
		if err != nil {
			t.Fatalf("%v\n%s", err, tail(out, 40))
		}
		want = out
	})
	if !ok {
		return
	}
	for _, p := range platforms() {
		for _, network := range g.networks {
			name := p
			if len(g.networks) > 1 {
				name += "-" + network
			}
			t.Run(name, func(t *testing.T) {
				bin := sentinel(t)
				args := append(slices.Clone(under), bin, "do", "--platform="+p, "--env", "SENTINEL_TEST=1", "--env", "TMPDIR="+scratch(t))
				if network == "loopback" {
					args = append(args, "--network=host", "--loopback=host")
				} else {
					args = append(args, "--network="+network)
				}
				got, err := run(nil, append(args, "--", prog)...)
				if err == nil && got == want {
					return
				}
				if err != nil && failures(got) == "" {
					t.Errorf("%v, the output ended with\n%s", err, tail(got, 5)) // shows the test before the one that hung
				} else {
					t.Errorf("%v\n%s", err, failures(got))
				}
				if err == nil {
					t.Errorf("output differs from the native run: %s", firstDifference(got, want))
				}
				if os.Getenv("SENTINEL_STRACE") == "1" {
					trace, _ := run(nil, append(args, "--strace", "--", prog)...)
					t.Logf("end of --strace:\n%s", tail(trace, 40))
				}
			})
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range w {
		if i >= len(g) || g[i] != w[i] {
			line := "end of output"
			if i < len(g) {
				line = g[i]
			}
			return fmt.Sprintf("line %d is %q, natively %q", i+1, line, w[i])
		}
	}
	return "more lines than natively"
}

func TestGuests(t *testing.T) {
	byFamily := map[string][]guest{}
	var families []string
	for _, g := range guests(t) {
		if byFamily[g.family] == nil {
			families = append(families, g.family)
		}
		byFamily[g.family] = append(byFamily[g.family], g)
	}
	for _, f := range families {
		t.Run(f, func(t *testing.T) {
			t.Parallel()
			for _, g := range byFamily[f] {
				t.Run(g.name, func(t *testing.T) {
					t.Parallel() // most of them sleep; -parallel sets how many at once
					check(t, g, build(t, g))
				})
			}
		})
	}
}

// TestOneCPU runs some guests on one CPU only, which is not the first one if
// there are others: nobody can spin there, and numbers of CPUs have a gap.
func TestOneCPU(t *testing.T) {
	var usable unix.CPUSet
	if err := unix.SchedGetaffinity(0, &usable); err != nil {
		t.Fatal(err)
	}
	last := 0
	for i := range 1024 { // CPU_SETSIZE
		if usable.IsSet(i) {
			last = i
		}
	}
	names := []string{"sched_cpus", "misc", "sites_threads", "threads_futex", "signals_basic", "process_fork", "ipc_pipe", "gosignals"}
	for _, g := range guests(t) {
		if !slices.Contains(names, g.name) {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			check(t, g, build(t, g), "taskset", "-c", strconv.Itoa(last))
		})
	}
}
