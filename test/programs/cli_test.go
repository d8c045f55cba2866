package programs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// eachPlatform runs do as a subtest of each platform under test and each user.
func eachPlatform(t *testing.T, do func(t *testing.T, b *box)) {
	t.Helper()
	for _, platform := range world.platforms {
		if platform == "native" {
			continue
		}
		for _, uid := range users([]string{"root", "nobody"}) {
			name := platform
			if uid == nobody {
				name += "@nobody"
			}
			t.Run(name, func(t *testing.T) {
				s := newScratch(t)
				s.reset(t, uid)
				do(t, &box{s, platform, uid})
			})
		}
	}
}

// box runs sentinel in a scratch folder.
type box struct {
	*scratch
	platform string
	uid      int
}

// do runs `sentinel do` with args; leaves nothing or fails the test.
func (b *box) do(t *testing.T, args ...string) result {
	t.Helper()
	return b.sentinel(t, "", append([]string{"do", "--platform=" + b.platform}, args...)...)
}

func (b *box) sentinel(t *testing.T, stdin string, args ...string) (r result) {
	t.Helper()
	b.leavesNothing(t, func() {
		r = b.run(t, append([]string{world.sentinel}, args...), command{uid: b.uid, stdin: stdin})
	})
	if r.timedOut {
		t.Errorf("sentinel %q did not end", args)
	}
	return r
}

// want checks a whole result.
func (r result) want(t *testing.T, code int, stdout string) {
	t.Helper()
	if r.code != code || r.stdout != stdout || r.stderr != "" {
		t.Errorf("exit code %d, want %d; stdout %q, want %q; stderr %q", r.code, code, tail(r.stdout), stdout, tail(r.stderr))
	}
}

func (s *scratch) write(t *testing.T, name string, mode os.FileMode, text []byte) string {
	t.Helper()
	path := filepath.Join(s.work, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExitCodes(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		for _, code := range []int{0, 1, 42, 125, 255} {
			b.do(t, "--", "sh", "-c", fmt.Sprint("exit ", code)).want(t, code, "")
		}
		for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGUSR1} {
			// A shell's child, as pid 1 is deaf to signals that it does not handle.
			b.do(t, "--", "bash", "-c", fmt.Sprintf("exec 2>/dev/null; (kill -%d $BASHPID); exit $?", sig)).want(t, 128+int(sig), "")
		}
		b.do(t, "--", "python3", "-c", "import ctypes; ctypes.string_at(0)").want(t, 128+int(syscall.SIGSEGV), "")
		b.do(t, "--", "python3", "-c", "import os; os.abort()").want(t, 128+int(syscall.SIGABRT), "")
	})
}

func TestFlags(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		b.do(t, "--env", "A=1", "--env=B=two words", "--", "sh", "-c", `echo "$A $B $LANG"`).want(t, 0, "1 two words C.UTF-8\n")
		b.do(t, "--clear-env", "--env", "A=1", "--", "/usr/bin/env").want(t, 0, "A=1\n")
		b.do(t, "--cwd", "/usr", "--", "pwd").want(t, 0, "/usr\n")
		b.do(t, "--", "pwd").want(t, 0, b.work+"\n")
		b.do(t, "--hostname", "boxed", "--", "uname", "-n").want(t, 0, "boxed\n")
		b.do(t, "--", "sh", "-c", "echo $$; ls /proc | grep -c '^[0-9]'").want(t, 0, "1\n3\n")
		if b.uid == 0 {
			b.do(t, "--user", "1234:5678", "--", "sh", "-c", "id -u; id -g; id -G").want(t, 0, "1234\n5678\n5678\n")
			b.do(t, "--user", "nobody", "--", "id", "-un").want(t, 0, "nobody\n")
		} else {
			b.do(t, "--", "sh", "-c", "id -u; id -g").want(t, 0, "65534\n65534\n")
		}
		b.do(t, "--tmpfs", "/mnt:1m", "--", "sh", "-c", "ls -A /mnt; head -c 900000 /dev/zero >/mnt/a && head -c 900000 /dev/zero 2>/dev/null >/mnt/b || echo full").want(t, 0, "full\n")
		b.do(t, "--overlay-size", "4M", "--", "sh", "-c", "head -c 3000000 /dev/zero >a && head -c 3000000 /dev/zero 2>/dev/null >b || echo full; rm a b; head -c 3000000 /dev/zero >c && echo room").want(t, 0, "full\nroom\n")
		b.do(t, "--pids", "8", "--", "bash", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.2 & done 2>errors; wait; grep -q 'Resource temporarily unavailable' errors && echo limited").want(t, 0, "limited\n")
		if r := b.do(t, "--memory", "96M", "--", "/usr/bin/python3", "-c", "b = bytearray(400 << 20); print(len(b))"); r.code == 0 || r.stdout != "" {
			t.Errorf("400 MB in a sandbox of 96: %+v", r)
		}
		b.do(t, "--memory", "512M", "--", "awk", "/MemTotal/ { print ($2 <= 524288) }", "/proc/meminfo").want(t, 0, "1\n")
		started := time.Now()
		if r := b.do(t, "--timeout", "300ms", "--", "sleep", "40"); r.code != 124 || time.Since(started) > 30*time.Second {
			t.Errorf("--timeout did not end it: %+v", r)
		}
		if r := b.do(t, "--strace", "--", "cat", "/etc/hostname"); !strings.Contains(r.stderr, `"/etc/hostname"`) || !strings.Contains(r.stderr, "exit_group(0)") {
			t.Errorf("--strace shows %q", tail(r.stderr))
		}
		if r := b.do(t, "--stats", "--", "cat", "/etc/hostname"); !strings.Contains(r.stderr, "openat") ||
			!regexp.MustCompile(`(?m)^processes' faults +[1-9]`).MatchString(r.stderr) ||
			!regexp.MustCompile(`(?s)runtime and packages +[1-9].*command line +[1-9].*program +[1-9].*run +[1-9].*end +[1-9]`).MatchString(r.stderr) {
			t.Errorf("--stats shows %q", tail(r.stderr))
		}
	})
}

func TestBinds(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		b.write(t, "out/given", 0o666, []byte("from the host\n"))
		if err := os.Chmod(filepath.Join(b.work, "out"), 0o777); err != nil {
			t.Fatal(err)
		}
		b.do(t, "--bind", b.work+"/out:/mnt:ro", "--", "sh", "-c", "cat /mnt/given; touch /mnt/x 2>/dev/null || echo read-only; echo y 2>/dev/null >/mnt/given || echo read-only").
			want(t, 0, "from the host\nread-only\nread-only\n")
		// Outside of the check that nothing changed: this one is asked to write.
		r := b.run(t, []string{world.sentinel, "do", "--platform=" + b.platform, "--bind", b.work + "/out:/mnt", "--", "sh", "-c",
			"echo more >>/mnt/given; echo new >/mnt/new; mkdir /mnt/d; mv /mnt/new /mnt/d/moved; ln -s d /mnt/l; cat /mnt/l/moved; { echo gone >/etc/x; } 2>/dev/null; echo gone >x"}, command{uid: b.uid})
		r.want(t, 0, "new\n")
		for name, want := range map[string]string{"out/given": "from the host\nmore\n", "out/d/moved": "new\n"} {
			if text, err := os.ReadFile(filepath.Join(b.work, name)); err != nil || string(text) != want {
				t.Errorf("%s holds %q (%v), want %q", name, text, err, want)
			}
		}
		if _, err := os.Stat(filepath.Join(b.work, "x")); err == nil {
			t.Error("a write beside the bind mount reached the host")
		}
	})
}

func TestStreams(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		big := strings.Repeat("0123456789abcdef\n", 200000)
		if r := b.sentinel(t, big, "do", "--platform="+b.platform, "--", "cat"); r.code != 0 || r.stdout != big {
			t.Errorf("cat of %d bytes: exit code %d, %d bytes", len(big), r.code, len(r.stdout))
		}
		pipeline := func(line, want string) {
			t.Helper()
			// The shell outside writes to the host, so that only processes count.
			r := b.run(t, []string{"bash", "-c", strings.ReplaceAll(line, "SENTINEL", world.sentinel+" do --platform="+b.platform+" --")}, command{uid: b.uid})
			r.want(t, 0, want)
			for _, pid := range waitForNone() {
				t.Errorf("process %d is left: %s", pid, describe(pid))
			}
		}
		pipeline(`SENTINEL yes | head -n 1; echo ${PIPESTATUS[0]}`, "y\n141\n")
		pipeline(`seq 1000 | SENTINEL sort -rn | SENTINEL head -n 1`, "1000\n")
		pipeline(`seq 3 >f; { SENTINEL head -c 2; cat; } <f; rm f`, "1\n2\n3\n")
		pipeline(`{ echo before; SENTINEL echo in; echo after; } >f; cat f; rm f`, "before\nin\nafter\n")
		pipeline(`echo one >f; SENTINEL echo two >>f; cat f; rm f`, "one\ntwo\n")
		pipeline(`SENTINEL cat <&-; echo $?`, "0\n") // the Go runtime opens /dev/null in its place
		pipeline(`SENTINEL sh -c 'echo out; echo err >&2' 2>&1 | sort`, "err\nout\n")
		pipeline(`SENTINEL sh -c '[ -t 0 ] || echo pipe' </dev/null`, "pipe\n")
	})
}

// TestSignalsToSentinel: what a caller's kill does to the guest.
func TestSignalsToSentinel(t *testing.T) {
	guest := `trap 'echo term; exit 3' TERM; trap 'echo int; exit 4' INT; trap 'echo hup; exit 5' HUP; (sleep 300 & sleep 300) & echo ready; while :; do sleep 0.05; done`
	eachPlatform(t, func(t *testing.T, b *box) {
		for sig, want := range map[syscall.Signal]result{
			syscall.SIGTERM: {stdout: "ready\nterm\n", code: 3},
			syscall.SIGINT:  {stdout: "ready\nint\n", code: 4},
			syscall.SIGHUP:  {stdout: "ready\nhup\n", code: 5},
			syscall.SIGKILL: {stdout: "ready\n", code: 137},
		} {
			b.leavesNothing(t, func() {
				cmd := exec.Command(world.sentinel, "do", "--platform="+b.platform, "--", "bash", "-c", guest)
				cmd.Dir, cmd.Env = b.work, b.environ(nil)
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				if b.uid != os.Getuid() {
					cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(b.uid), Gid: uint32(b.uid)}
				}
				out, err := os.CreateTemp(world.base, "out")
				if err != nil {
					t.Fatal(err)
				}
				defer os.Remove(out.Name())
				defer out.Close()
				cmd.Stdout = out
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				waitFor(t, func() bool { text, _ := os.ReadFile(out.Name()); return bytes.Contains(text, []byte("ready")) })
				cmd.Process.Signal(sig)
				ended := time.AfterFunc(time.Minute, func() { t.Errorf("%v does not end it", sig); cmd.Process.Kill() })
				cmd.Wait()
				ended.Stop()
				text, _ := os.ReadFile(out.Name())
				if got := exitCode(cmd.ProcessState); got != want.code || string(text) != want.stdout {
					t.Errorf("after %v: exit code %d, want %d; stdout %q, want %q", sig, got, want.code, text, want.stdout)
				}
			})
		}
	})
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	for range 1200 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("waited for nothing")
}

// TestIsolation: what a guest must not reach.
func TestIsolation(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("host\n"))
			c.Close()
		}
	}()
	connect := fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d && cat <&3", listener.Addr().(*net.TCPAddr).Port)
	eachPlatform(t, func(t *testing.T, b *box) {
		b.do(t, "--network=host", "--", "bash", "-c", connect).want(t, 0, "host\n")
		if r := b.do(t, "--network=none", "--", "bash", "-c", connect); r.code != 1 || !strings.Contains(r.stderr, "Connection refused") {
			t.Errorf("without a network: %+v", r)
		}
		b.do(t, "--", "bash", "-c", fmt.Sprintf("kill -9 %d 2>/dev/null || echo no", os.Getpid())).want(t, 0, "no\n")
		b.do(t, "--", "sh", "-c", "grep -c sentinel /proc/self/maps /proc/self/mountinfo /proc/self/environ 2>/dev/null | grep -v ':0$' | grep -v environ; true").want(t, 0, "")
		for _, refused := range []string{"mount -t tmpfs none /mnt", "umount /proc", "unshare -m true", "swapoff -a; cat /proc/kcore", "nsenter -t 1 -m true", "mknod x b 8 0 && cat x", "sysctl -w kernel.hostname=x && false", "insmod nosuch"} {
			if r := b.do(t, "--", "sh", "-c", refused); r.code == 0 {
				t.Errorf("%q is allowed: %+v", refused, r)
			}
		}
	})
}

// TestRoot runs over another root file system.
func TestRoot(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		root := b.rootfs(t)
		b.do(t, "--root", root, "--cwd", "/", "--", "/bin/sh", "-c", "pwd; ls; cat /etc/motd; echo x >/etc/motd; cat /etc/motd; rm -r /doomed; ls").
			want(t, 0, "/\nbin\ndev\ndoomed\netc\nproc\nsys\ntmp\nhello from below\nx\nbin\ndev\netc\nproc\nsys\ntmp\n")
		b.do(t, "--root", root, "--cwd", "/", "--", "/bin/sh", "-c", "cat /../../../../etc/passwd 2>/dev/null || echo none").want(t, 0, "none\n")
	})
}

// rootfs makes a small root file system of busybox.
func (s *scratch) rootfs(t *testing.T) string {
	t.Helper()
	binary, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(s.work, "rootfs")
	if _, err := os.Stat(root); err == nil {
		return root
	}
	s.write(t, "rootfs/bin/busybox", 0o755, binary)
	for _, applet := range []string{"sh", "cat", "ls", "rm", "touch", "id", "pwd", "env", "mount", "uname", "echo", "sleep", "kill", "ps", "stat", "stty", "tty", "true", "false", "mkdir", "head", "grep"} {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	s.write(t, "rootfs/etc/motd", 0o666, []byte("hello from below\n"))
	s.write(t, "rootfs/doomed/file", 0o666, nil)
	for _, dir := range []string{"proc", "sys", "dev", "tmp"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	// All may write, so that it is the sandbox that keeps the files as they are.
	for _, dir := range []string{"", "bin", "doomed", "etc", "tmp"} {
		if err := os.Chmod(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestConcurrent: many sandboxes at once do not disturb each other.
func TestConcurrent(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		b.leavesNothing(t, func() {
			type answer struct {
				n   int
				out string
			}
			answers := make(chan answer)
			const n = 12
			for i := range n {
				go func() {
					cmd := exec.Command(world.sentinel, "do", "--platform="+b.platform, "--", "sh", "-c", "echo $N >same; sleep 0.2; cat same; echo $$")
					cmd.Dir, cmd.Env = b.work, b.environ([]string{"N=" + strconv.Itoa(i)})
					out, err := cmd.CombinedOutput()
					answers <- answer{i, fmt.Sprint(string(out), err)}
				}()
			}
			for range n {
				if a := <-answers; a.out != fmt.Sprintf("%d\n1\n<nil>", a.n) {
					t.Errorf("sandbox %d says %q", a.n, a.out)
				}
			}
		})
	})
}

// TestInheritedDescriptors: what the caller left open stays open in no process
// of the sandbox, or a supervisor taken over could use it.
func TestInheritedDescriptors(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		b.leavesNothing(t, func() {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			cmd := exec.Command(world.sentinel, "do", "--platform="+b.platform, "--", "sh", "-c", "echo ready; read -r line")
			cmd.Dir, cmd.Env, cmd.ExtraFiles = b.work, b.environ(nil), []*os.File{w}
			if b.uid != os.Getuid() {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(b.uid), Gid: uint32(b.uid)}}
			}
			stdin, err1 := cmd.StdinPipe()
			stdout, err2 := cmd.StdoutPipe()
			if err := errors.Join(err1, err2, cmd.Start()); err != nil {
				t.Fatal(err)
			}
			w.Close()
			if _, err := stdout.Read(make([]byte, 16)); err != nil {
				t.Error(err)
			}
			r.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := r.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the pipe is still open in the sandbox: %v", err)
			}
			stdin.Close()
			cmd.Wait()
		})
	})
}
