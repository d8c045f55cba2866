package programs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is the ordinary user that tests run as beside root.
const nobody = 65534

// world is what all tests share, made by TestMain.
var world struct {
	sentinel  string   // copy of the binary that any user can execute
	platforms []string // platforms under test; "native" is none of them
	data      string   // inputs, read-only
	bin       string   // guest programs built from guests/ and the workloads
	base      string   // parent of every scratch folder
	imageURL  string   // a picture served over HTTP by the test itself
	tests     int      // numbers the scratch folders and ports
}

// result is all that a caller of a program sees of it.
type result struct {
	stdout, stderr string
	code           int // 128+n when killed by signal n
	timedOut       bool
}

// command describes one run of a program, native or not.
type command struct {
	argv    []string
	flags   []string // for sentinel
	env     []string // in addition to the standard environment
	stdin   string
	uid     int
	overlay bool // natively as root: over a throw-away copy of the host's files
	timeout time.Duration
}

// scratch is the folder tree that one test may use.
type scratch struct {
	root, work, tmp string
	port            int
}

func newScratch(t *testing.T) *scratch {
	t.Helper()
	world.tests++
	s := &scratch{root: filepath.Join(world.base, strconv.Itoa(world.tests)), port: 20000 + 20*(world.tests%500)}
	s.work, s.tmp = filepath.Join(s.root, "work"), filepath.Join(s.root, "tmp")
	t.Cleanup(func() { os.RemoveAll(s.root) })
	return s
}

// reset makes the folders anew, owned by uid, so that the next run starts from
// the same state at the same path.
func (s *scratch) reset(t *testing.T, uid int) {
	t.Helper()
	if err := os.RemoveAll(s.root); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{s.root, s.work, s.tmp} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			if err := os.Chown(dir, uid, uid); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (s *scratch) environ(extra []string) []string {
	return append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + s.work, "TMPDIR=" + s.tmp, "LANG=C.UTF-8", "TERM=dumb", "TZ=UTC", "USER=tester",
		"DATA=" + world.data, "BIN=" + world.bin, "IMAGE_URL=" + world.imageURL,
		"PORT=" + strconv.Itoa(s.port), "SENTINEL_TEST=1",
	}, extra...)
}

// native runs the command on the host.
func (s *scratch) native(t *testing.T, c command) result {
	t.Helper()
	s.reset(t, c.uid)
	argv := c.argv
	if c.overlay && c.uid == 0 && os.Getuid() == 0 {
		argv = append([]string{"unshare", "-m", "--propagation", "private", "/bin/sh", "-ec", inOverlay, s.work}, argv...)
	}
	r := s.run(t, argv, c)
	for _, pid := range waitForNone() {
		t.Errorf("the native run left process %d: %s", pid, describe(pid))
		syscall.Kill(pid, syscall.SIGKILL)
	}
	return r
}

// inOverlay runs its arguments over a throw-away copy of the host's files, in $0.
const inOverlay = `
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work none /mnt/root
mount --rbind /proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount -o remount,bind,ro /mnt/root/dev
exec chroot /mnt/root /bin/sh -c 'cd "$0" && exec "$@"' "$0" "$@"`

// sandboxed runs the command under sentinel and checks that it left nothing.
func (s *scratch) sandboxed(t *testing.T, platform string, c command) result {
	t.Helper()
	s.reset(t, c.uid)
	if platform == "native" {
		return s.native(t, c)
	}
	argv := append([]string{world.sentinel, "do", "--platform=" + platform}, c.flags...)
	argv = append(append(argv, "--"), c.argv...)
	var r result
	s.leavesNothing(t, func() { r = s.run(t, argv, c) })
	return r
}

func (s *scratch) run(t *testing.T, argv []string, c command) result {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = s.work
	cmd.Env = s.environ(c.env)
	cmd.Stdin = strings.NewReader(c.stdin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if os.Getuid() == 0 && c.uid != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(c.uid), Gid: uint32(c.uid)}
	}
	if c.timeout == 0 {
		c.timeout = 4 * time.Minute // for hangs, on machines that others load too
	}
	return execute(t, cmd, c.timeout)
}

// execute runs cmd, kills its process group when the time is over, and collects.
func execute(t *testing.T, cmd *exec.Cmd, timeout time.Duration) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &limited{w: &stdout}, &limited{w: &stderr}
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var r result
	timer := time.AfterFunc(timeout, func() {
		r.timedOut = true
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Process.Kill()
	})
	err := cmd.Wait()
	timer.Stop()
	if err != nil && !errors.As(err, new(*exec.ExitError)) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatal(err)
	}
	r.stdout, r.stderr, r.code = stdout.String(), stderr.String(), exitCode(cmd.ProcessState)
	return r
}

func exitCode(p *os.ProcessState) int {
	if status, ok := p.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.ExitCode()
}

// limited keeps a program gone wild from filling the test's memory.
type limited struct {
	w io.Writer
	n int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.n += len(p); l.n < 32<<20 {
		l.w.Write(p)
	}
	return len(p), nil
}

// compare runs c natively and on each platform and compares.
func compare(t *testing.T, c command, wantCode int) {
	t.Helper()
	s := newScratch(t)
	want := s.native(t, c)
	if want.timedOut || want.code != wantCode {
		t.Fatalf("the native run ended with %d, want %d (timed out: %v)\nstdout:\n%s\nstderr:\n%s",
			want.code, wantCode, want.timedOut, tail(want.stdout), tail(want.stderr))
	}
	for _, platform := range world.platforms {
		t.Run(platform, func(t *testing.T) {
			got := s.sandboxed(t, platform, c)
			if got.timedOut {
				t.Errorf("did not end in time\nstdout:\n%s\nstderr:\n%s", tail(got.stdout), tail(got.stderr))
				return
			}
			if got.code != want.code {
				t.Errorf("exit code %d, natively %d", got.code, want.code)
			}
			if d := diff(want.stdout, got.stdout); d != "" {
				t.Errorf("stdout (- native, + sandbox):\n%s", d)
			}
			if d := diff(withoutPids(want.stderr), withoutPids(got.stderr)); d != "" {
				t.Errorf("stderr (- native, + sandbox):\n%s", d)
			}
		})
	}
}

var jobPid = regexp.MustCompile(`(?m)(line \d+:) +\d+ `)

// withoutPids takes the process ids out of what bash says of a killed job.
func withoutPids(s string) string { return jobPid.ReplaceAllString(s, "$1 PID ") }

// diff tells where two outputs part, with the lines around it.
func diff(want, got string) string {
	if want == got {
		return ""
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	first := 0
	for first < len(w) && first < len(g) && w[first] == g[first] {
		first++
	}
	// Align what follows by the longest common tail.
	end := 0
	for end < len(w)-first && end < len(g)-first && w[len(w)-1-end] == g[len(g)-1-end] {
		end++
	}
	var b strings.Builder
	for _, line := range w[max(0, first-3):first] {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	show := func(sign string, lines []string) {
		for i, line := range lines {
			if i == 12 {
				fmt.Fprintf(&b, "%s ... %d more lines\n", sign, len(lines)-i)
				break
			}
			fmt.Fprintf(&b, "%s %.300s\n", sign, line)
		}
	}
	show("-", w[first:len(w)-end])
	show("+", g[first:len(g)-end])
	return b.String()
}

func tail(s string) string {
	if len(s) > 3000 {
		return "..." + s[len(s)-3000:]
	}
	return s
}

// users tells which uids a test can run as here.
func users(names []string) []int {
	if os.Getuid() != 0 {
		return []int{os.Getuid()}
	}
	var uids []int
	if len(names) == 0 || slices.Contains(names, "root") {
		uids = append(uids, 0)
	}
	if slices.Contains(names, "nobody") {
		uids = append(uids, nobody)
	}
	return uids
}
