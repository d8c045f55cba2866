// Package hostile runs guests that attack the platform they run on. Whatever
// they do to the stub, the shared memory and the host calls in their reach, the
// worst that may come of it is their own end: the sandbox ends by itself or by
// its time-out, the supervisor does not crash, a sandbox beside it goes on, and
// nothing is left behind.
//
//	SENTINEL_PLATFORMS  comma-separated platforms (default "trap")
//	SENTINEL            the binary (default ../../bin/sentinel)
package hostile

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var guest, binary string

func TestMain(m *testing.M) {
	// Orphans come to this process, so that they can be told from others'.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "hostile")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		guest = filepath.Join(dir, "hostile")
		out, err := exec.Command("gcc", "-std=gnu17", "-O1", "-static", "-pthread", "-Wall", "-Wextra", "-o", guest, "guest/hostile.c").CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "build of the guest: %v\n%s", err, out)
			return 1
		}
		binary = os.Getenv("SENTINEL")
		if binary == "" {
			binary = "../../bin/sentinel"
		}
		if binary, err = filepath.Abs(binary); err != nil {
			return 1
		}
		return m.Run()
	}())
}

func platforms() []string {
	if p := os.Getenv("SENTINEL_PLATFORMS"); p != "" {
		return strings.Split(p, ",")
	}
	return []string{"trap"}
}

// sandbox is a running sandbox, in a session and a process group of its own.
type sandbox struct {
	cmd  *exec.Cmd
	out  bytes.Buffer
	tmp  string
	done chan struct{}
	kill context.CancelFunc
}

// start runs the guest with arguments. Its output goes to w too, if w is not
// nil.
func start(t *testing.T, platform string, flags []string, w io.Writer, args ...string) *sandbox {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s := &sandbox{tmp: t.TempDir(), done: make(chan struct{}), kill: cancel}
	all := append([]string{"do", "--platform=" + platform, "--network=none", "--pids=128"}, flags...)
	s.cmd = exec.CommandContext(ctx, binary, append(append(all, "--"), args...)...)
	s.cmd.Env = append(os.Environ(), "TMPDIR="+s.tmp)
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if w != nil {
		s.cmd.Stdout = io.MultiWriter(&s.out, w)
	}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.cmd.WaitDelay = 5 * time.Second
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.cmd.Wait()
		close(s.done)
	}()
	return s
}

// wait waits for the end and returns the exit code, -1 if a signal ended it.
func (s *sandbox) wait(t *testing.T, limit time.Duration) int {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(limit):
		t.Errorf("still running after %v", limit)
		s.kill()
		<-s.done
	}
	for _, bad := range []string{"panic:", "fatal error:", "goroutine ", "SIGSYS", "SIGSEGV", "SIGBUS", "runtime."} {
		if bytes.Contains(s.out.Bytes(), []byte(bad)) {
			t.Errorf("the supervisor crashed:\n%.4000s", s.out.Bytes())
			break
		}
	}
	if left, _ := filepath.Glob(s.tmp + "/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return s.cmd.ProcessState.ExitCode()
}

// children returns the processes whose parent is pid and that run a stub.
func children(pid int) []int {
	var list []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		stat, err := os.ReadFile(d + "/stat")
		if err != nil {
			continue
		}
		i := bytes.LastIndexByte(stat, ')')
		name := string(stat[:max(i, 0)])
		f := strings.Fields(string(stat[i+1:]))
		if len(f) < 2 || f[1] != strconv.Itoa(pid) || !strings.Contains(name, "(memfd:sentinel") {
			continue
		}
		if n, err := strconv.Atoi(filepath.Base(d)); err == nil && n > 1 {
			list = append(list, n)
		}
	}
	return list
}

// noOrphans checks that no guest process has outlived its supervisor.
func noOrphans(t *testing.T) {
	t.Helper()
	self := os.Getpid()
	var left []int
	for range 3000 {
		left = nil
		for _, pid := range children(self) {
			if got, _ := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); got != pid {
				left = append(left, pid)
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("guest processes outlive their supervisor: %v", left)
	for _, pid := range left {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		stack, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
		t.Logf("%s%s", status, stack)
		syscall.Kill(pid, syscall.SIGKILL)
		syscall.Wait4(pid, nil, 0, nil)
	}
}

// traces returns what of Sentinel's lies about on the host.
func traces(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, l := range strings.Split(string(mounts), "\n") {
		if strings.Contains(l, "sentinel") {
			list = append(list, l)
		}
	}
	shm, _ := filepath.Glob("/dev/shm/*sentinel*")
	return strings.Join(append(list, shm...), "\n")
}

// neighbour is a sandbox beside those under attack, which answers what it is told.
type neighbour struct {
	in io.WriteCloser
	r  *bufio.Reader
	n  int
}

func newNeighbour(t *testing.T, platform string) *neighbour {
	cmd := exec.Command(binary, "do", "--platform="+platform, "--network=none", "--", "/bin/cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the sandbox beside ended with %v", err)
		}
	})
	return &neighbour{in: in, r: bufio.NewReader(out)}
}

func (n *neighbour) check(t *testing.T) {
	t.Helper()
	n.n++
	line := fmt.Sprintf("line %d\n", n.n)
	if _, err := io.WriteString(n.in, line); err != nil {
		t.Fatalf("the sandbox beside is gone: %v", err)
	}
	if got, err := n.r.ReadString('\n'); err != nil || got != line {
		t.Fatalf("the sandbox beside answers %q, %v", got, err)
	}
}

// An attack is a mode of the guest.
type attack struct {
	mode     string
	seeds    int // how many
	n        int // argument; of attacks on itself the first of several
	runs     int
	timeout  time.Duration
	survives bool // its first process does
	flags    []string
}

func TestAttacks(t *testing.T) {
	attacks := []attack{
		{mode: "map", n: 64, survives: true},
		{mode: "map-self", runs: 16, timeout: time.Second},
		{mode: "jump", seeds: 2, n: 100, survives: true},
		{mode: "site", n: 64, survives: true},
		{mode: "shake", n: 32, survives: true},
		{mode: "race", n: 27, survives: true},
		{mode: "race-self", runs: 9, timeout: time.Second},
		{mode: "forge", seeds: 3, n: 40, survives: true},
		{mode: "forge-self", runs: 6, timeout: time.Second},
		{mode: "return", n: 8, survives: true},
		{mode: "return-self", runs: 3, timeout: 500 * time.Millisecond},
		{mode: "calls", n: 70, survives: true, timeout: 20 * time.Second},
		{mode: "theft", n: 2, survives: true},
		{mode: "theft-self", runs: 2, timeout: 500 * time.Millisecond},
		{mode: "hidden", seeds: 3, n: 4, timeout: time.Second}, // they share its memory
		{mode: "hidden-fork", n: 4, survives: true},
		{mode: "hidden-ring", n: 40, survives: true},
		{mode: "flood", seeds: 2, n: 20, survives: true},
		{mode: "hidden-wait", n: 2, timeout: 500 * time.Millisecond},
		{mode: "threads", n: 200, survives: true},
		{mode: "threads", n: 1100, survives: true, flags: []string{"--pids=2000"}},
		{mode: "processes", n: 200, survives: true},
		{mode: "memory", flags: []string{"--memory=64M"}, timeout: 5 * time.Second},
		{mode: "exec", seeds: 2, n: 6, survives: true},
		{mode: "exec-deaf", timeout: 500 * time.Millisecond},
	}
	for _, p := range platforms() {
		t.Run(p, func(t *testing.T) {
			before := traces(t)
			beside := newNeighbour(t, p)
			for _, a := range attacks {
				for seed := range max(a.seeds, 1) {
					for run := range max(a.runs, 1) {
						n := a.n + run
						t.Run(fmt.Sprintf("%s/%d-%d", a.mode, seed+1, n), func(t *testing.T) {
							a.run(t, p, seed+1, n)
							beside.check(t)
							noOrphans(t)
						})
					}
				}
			}
			if now := traces(t); now != before {
				t.Errorf("left behind:\n%s\nbefore:\n%s", now, before)
			}
		})
	}
}

func (a *attack) run(t *testing.T, platform string, seed, n int) {
	timeout := a.timeout
	if timeout == 0 {
		timeout = 15 * time.Second
	}
	flags := append([]string{"--timeout=" + timeout.String()}, a.flags...)
	s := start(t, platform, flags, nil, guest, a.mode, strconv.Itoa(seed), strconv.Itoa(n))
	code := s.wait(t, timeout+10*time.Second)
	if bytes.Contains(s.out.Bytes(), []byte("no place\n")) {
		return // the platform has no such place to call from
	}
	if code < 0 || code == 125 || code == 126 || code == 127 {
		t.Errorf("exit code %d\n%.4000s", code, s.out.Bytes())
	}
	if a.survives && (code != 0 || !bytes.Contains(s.out.Bytes(), []byte("survived\n"))) {
		t.Errorf("the first process did not survive: exit code %d\n%.4000s", code, s.out.Bytes())
	}
}

// ready passes on that a line was printed.
type ready struct{ c chan struct{} }

func (r ready) Write(b []byte) (int, error) {
	select {
	case r.c <- struct{}{}:
	default:
	}
	return len(b), nil
}

// running starts the guest and waits until it has said something.
func running(t *testing.T, platform string, args ...string) *sandbox {
	t.Helper()
	return runningProgram(t, platform, append([]string{guest}, args...)...)
}

func runningProgram(t *testing.T, platform string, args ...string) *sandbox {
	t.Helper()
	r := ready{make(chan struct{}, 1)}
	s := start(t, platform, nil, r, args...)
	select {
	case <-r.c:
	case <-s.done:
		t.Fatalf("ended early:\n%s", s.out.Bytes())
	}
	return s
}

// TestKillSupervisor kills the supervisor at any moment of its guests' lives.
func TestKillSupervisor(t *testing.T) {
	for _, p := range platforms() {
		t.Run(p, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for i := range 300 {
				args := []string{"churn", strconv.Itoa(i + 1)}
				if i%10 == 8 {
					args = []string{"hidden-wait", strconv.Itoa(i + 1), "2"}
				}
				args = append([]string{guest}, args...)
				if i%2 == 1 { // most likely amid a fork
					args[1] = "forks"
				}
				if i%10 == 4 { // some of whose processes are made in advance
					args = []string{"/bin/sh", "-c", "echo ready; while :; do /bin/true; done"}
				}
				s := runningProgram(t, p, args...)
				time.Sleep(time.Duration(r.IntN(15000)) * time.Microsecond)
				s.cmd.Process.Kill()
				s.wait(t, time.Minute)
				noOrphans(t)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// TestSignalSupervisor ends sandboxes by what a user or a manager sends.
func TestSignalSupervisor(t *testing.T) {
	for _, p := range platforms() {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			t.Run(fmt.Sprintf("%s/%v", p, sig), func(t *testing.T) {
				s := running(t, p, "hidden-wait", "1", "2")
				s.cmd.Process.Signal(sig)
				if code := s.wait(t, time.Minute); code != 128+int(sig) && code != 0 {
					t.Errorf("exit code %d\n%s", code, s.out.Bytes())
				}
				noOrphans(t)
			})
		}
	}
}

// TestKillGuest kills host processes of the guest's, as the out-of-memory killer
// would.
func TestKillGuest(t *testing.T) {
	for _, p := range platforms() {
		t.Run(p, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 4))
			beside := newNeighbour(t, p)
			for i := range 30 {
				s := running(t, p, "churn", strconv.Itoa(i+1))
				for range 200 {
					time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
					// A child of a process that has not been waited for keeps its id.
					if c := children(s.cmd.Process.Pid); len(c) > 0 {
						syscall.Kill(c[r.IntN(len(c))], syscall.SIGKILL)
					}
					select {
					case <-s.done:
					default:
						continue
					}
					break
				}
				// On a busy machine it may be through before its first process is hit.
				if code := s.wait(t, time.Minute); code != 128+int(syscall.SIGKILL) && code != 0 {
					t.Errorf("exit code %d\n%s", code, s.out.Bytes())
				}
				beside.check(t)
				noOrphans(t)
				if t.Failed() {
					return
				}
			}
		})
	}
}
