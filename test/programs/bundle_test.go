package programs

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
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
