package programs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bundle writes a config.json beside the scratch root file system; change may
// alter the specification first. Plain maps keep the test apart from the types
// that the product reads it with.
func (b *box) bundle(t *testing.T, args []string, change func(spec, process map[string]any)) string {
	t.Helper()
	b.rootfs(t)
	process := map[string]any{
		"args": args, "cwd": "/", "env": []string{"PATH=/bin", "FROM=config"},
		"user": map[string]any{"uid": b.uid, "gid": b.uid},
	}
	spec := map[string]any{
		"ociVersion": "1.0.2", "process": process, "hostname": "bundled",
		"root": map[string]any{"path": "rootfs"},
		"mounts": []any{
			map[string]any{"destination": "/proc", "type": "proc", "source": "proc"},
			map[string]any{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755"}},
		},
	}
	if change != nil {
		change(spec, process)
	}
	text, err := json.MarshalIndent(spec, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "config.json", 0o644, text)
	return b.work
}

func (b *box) runBundle(t *testing.T, args []string, change func(spec, process map[string]any)) result {
	t.Helper()
	dir := b.bundle(t, args, change)
	return b.sentinel(t, "", "run", "--platform="+b.platform, "--bundle", dir, "test-"+filepath.Base(b.root))
}

func TestBundles(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		sh := func(line string) []string { return []string{"/bin/sh", "-c", line} }
		b.runBundle(t, sh("echo $FROM $HOME; uname -n; pwd; exit 6"), nil).want(t, 6, "config\nbundled\n/\n")
		b.runBundle(t, []string{"sh", "-c", "ls; cat /etc/motd"}, nil).want(t, 0, "bin\ndev\ndoomed\netc\nproc\nsys\ntmp\nhello from below\n")
		b.runBundle(t, sh("pwd"), func(_, process map[string]any) { process["cwd"] = "/etc" }).want(t, 0, "/etc\n")
		b.runBundle(t, sh("ulimit -n; ulimit -Hn"), func(_, process map[string]any) {
			process["rlimits"] = []any{map[string]any{"type": "RLIMIT_NOFILE", "soft": 33, "hard": 44}}
		}).want(t, 0, "33\n44\n")
		b.runBundle(t, sh("echo x >/etc/motd && cat /etc/motd && touch /new && ls /new"), nil).want(t, 0, "x\n/new\n")
		readonly := func(spec, _ map[string]any) { spec["root"] = map[string]any{"path": "rootfs", "readonly": true} }
		b.runBundle(t, sh("(echo x >/etc/motd) 2>/dev/null || echo refused; touch /new 2>&1"), readonly).want(t, 1, "refused\ntouch: /new: Read-only file system\n")
		b.write(t, "volume/file", 0o644, []byte("volume\n"))
		b.runBundle(t, sh("cat /data/file; (echo x >/data/file) 2>/dev/null || echo ro; echo y >/scratch/y && cat /scratch/y; head -c 2000000 /dev/zero >/scratch/big 2>/dev/null || echo full"), func(spec, _ map[string]any) {
			spec["mounts"] = append(spec["mounts"].([]any),
				map[string]any{"destination": "/data", "type": "bind", "source": filepath.Join(b.work, "volume"), "options": []string{"rbind", "ro"}},
				map[string]any{"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": []string{"size=1m"}})
		}).want(t, 0, "volume\nro\ny\nfull\n")
		if b.uid == 0 {
			b.runBundle(t, sh("id -u; id -g; id -G"), func(_, process map[string]any) {
				process["user"] = map[string]any{"uid": 1000, "gid": 2000, "additionalGids": []int{3000, 4000}}
			}).want(t, 0, "1000\n2000\n2000 3000 4000\n")
		}
		b.runBundle(t, sh("exec 2>/dev/null; kill -9 $$; (kill -9 $(sh -c 'echo $PPID')); exit $?"), nil).want(t, 137, "")
		if r := b.runBundle(t, sh("cat /etc/passwd"), nil); r.code != 1 || !strings.Contains(r.stderr, "No such file") {
			t.Errorf("the host's files show through: %+v", r)
		}
	})
}

// TestRuncSpec runs what `runc spec` writes, unchanged: a shell on the caller's
// terminal, with runc's usual mounts, name spaces, capabilities and limits.
func TestRuncSpec(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		b.rootfs(t)
		if out, err := exec.Command("runc", "spec", "--bundle", b.work).CombinedOutput(); err != nil {
			t.Fatalf("runc spec: %v\n%s", err, out)
		}
		term := openTerminal(t)
		if os.Getuid() == 0 {
			for _, name := range []string{term.slave.Name(), filepath.Join(b.work, "config.json")} {
				if err := os.Chown(name, b.uid, -1); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd := exec.Command(world.sentinel, "run", "--platform="+b.platform, "--bundle", b.work, "spec")
		cmd.Dir, cmd.Env = b.work, b.environ(nil)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if b.uid != os.Getuid() {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(b.uid), Gid: uint32(b.uid)}
		}
		b.leavesNothing(t, func() {
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := time.AfterFunc(3*time.Minute, func() { t.Error("does not end"); cmd.Process.Kill() })
			defer ended.Stop()
			for _, step := range []step{
				{send: "id -u; uname -n; ulimit -n\n"}, {expect: "0\r\n"}, {expect: "runc\r\n"}, {expect: "1024\r\n"},
				{send: "stty size; echo on the con''sole >/dev/console\n"}, {expect: "24 80\r\n"}, {expect: "on the console"},
				{send: "(echo x >/x) || echo ref''used\n"}, {expect: "refused"},
				{send: "mount | grep -c ' on /proc type proc '\n"}, {expect: "1\r\n"},
				{send: "exit 5\n"},
			} {
				if step.send != "" {
					term.send(step.send)
				} else if !term.expect(step.expect, "") {
					cmd.Process.Kill()
					break
				}
			}
			cmd.Wait()
			if code := exitCode(cmd.ProcessState); code != 5 && !t.Failed() {
				t.Errorf("exit code %d, want 5", code)
			}
		})
	})
}
