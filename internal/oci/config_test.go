package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
)

// full is close to what `runc spec` writes, with one of everything.
const full = `{
	"ociVersion": "1.2.0",
	"process": {
		"terminal": true,
		"consoleSize": {"height": 24, "width": 80},
		"user": {"uid": 1000, "gid": 100, "umask": 18, "additionalGids": [5, 6]},
		"args": ["sh", "-c", "echo \"\u00e9\ud83d\ude00\"\n"],
		"env": ["PATH=/bin", "TERM=xterm"],
		"cwd": "/",
		"capabilities": {
			"bounding": ["CAP_KILL", "CAP_NO_SUCH"],
			"effective": ["CAP_CHOWN"]
		},
		"rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 512}],
		"noNewPrivileges": true,
		"oomScoreAdj": -5
	},
	"root": {"path": "rootfs", "readonly": true},
	"hostname": "box",
	"mounts": [
		{"destination": "/proc", "type": "proc", "source": "proc"},
		{"destination": "/tmp", "type": "tmpfs", "options": ["nosuid", "size=64m", "mode=1777"]},
		{"destination": "/data", "source": "vol", "options": ["rbind", "ro"]}
	],
	"annotations": {"a": "b"},
	"hooks": {"poststop": [{"path": "/bin/true", "args": ["true"], "timeout": 3}]},
	"linux": {
		"resources": {"memory": {"limit": 1048576}, "pids": {"limit": 10}, "devices": [{"allow": false}]},
		"namespaces": [{"type": "network", "path": "/run/netns/x"}],
		"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}
	}
}`

func TestParse(t *testing.T) {
	s, err := Parse("config.json", "/bundle", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	p := s.Process
	if !p.Terminal || p.ConsoleSize != (Box{24, 80}) || p.User.UID != 1000 || *p.User.Umask != 0o22 || len(p.User.AdditionalGids) != 2 {
		t.Errorf("process: %+v", p)
	}
	if p.Args[2] != "echo \"é😀\"\n" {
		t.Errorf("args: %q", p.Args)
	}
	if p.Capabilities.Bounding != 1<<cred.CapKill || p.Capabilities.Effective != 1<<cred.CapChown || p.Capabilities.Permitted != 0 {
		t.Errorf("capabilities: %+v", p.Capabilities)
	}
	if r := p.Rlimits[0]; r.Resource != linux.RLIMIT_NOFILE || r.Cur != 512 || r.Max != 1024 || *p.OOMScoreAdj != -5 {
		t.Errorf("limits: %+v", r)
	}
	if s.Root != (Root{"/bundle/rootfs", true}) || s.Hostname != "box" || len(s.Mounts) != 3 {
		t.Errorf("spec: %+v", s)
	}
	if m := s.Mounts[1]; m.Size != 64<<20 || m.Mode != 0o1777 {
		t.Errorf("tmpfs: %+v", m)
	}
	if m := s.Mounts[2]; m.Type != "bind" || m.Source != "/bundle/vol" || !m.ReadOnly {
		t.Errorf("bind: %+v", m)
	}
	if s.Linux.MemoryLimit != 1<<20 || s.Linux.PidsLimit != 10 || s.Hooks.Poststop[0].Timeout != 3 {
		t.Errorf("linux: %+v", s.Linux)
	}
	if got := strings.Join(s.Ignored, " "); got != "process.capabilities.bounding[1] linux.resources.devices linux.seccomp" {
		t.Errorf("ignored: %s", got)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"cwd": "/"`, `"cwd": "x"`, `c.json:9: process.cwd: "x" is not an absolute path`},
		{`"args": ["sh"`, `"args": [7`, "c.json:7: process.args[0]: want a string, not a number"},
		{`"uid": 1000`, `"uid": -1`, "c.json:6: process.user.uid: -1 is not a whole number from 0 to 4294967295"},
		{`"uid": 1000`, `"uid": 1.5`, "c.json:6: process.user.uid: 1.5 is not"},
		{`"type": "proc"`, `"type": "ext4"`, `c.json:21: mounts[0].type: file systems of type "ext4" are not supported`},
		{`"cwd": "/",`, `"cwd": "/"`, `c.json:10: '"' where ',' or '}' belongs`},
		{`RLIMIT_NOFILE`, `RLIMIT_FOO`, `c.json:14: process.rlimits[0].type: "RLIMIT_FOO" is no resource limit`},
		{`"soft": 512`, `"soft": 5120`, "c.json:14: process.rlimits[0]: the soft limit is above the hard one"},
		{`"ociVersion": "1.2.0"`, `"ociVersion": "2.0"`, `c.json:2: ociVersion: "2.0" is not supported`},
		{`"size=64m"`, `"size=x"`, `c.json:22: mounts[1].options: "x" is not a size`},
		{`"root": {"path": "rootfs"`, `"root": {"path": ""`, "c.json:18: root.path: missing"},
		{`"PATH=/bin"`, `"PATH"`, `c.json:8: process.env[0]: "PATH" is not NAME=VALUE`},
	} {
		src := strings.Replace(full, c.old, c.new, 1)
		if src == full {
			t.Fatalf("%q is not in the example", c.old)
		}
		_, err := Parse("c.json", "/", []byte(src))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.new, err, c.want)
		}
	}
	for src, want := range map[string]string{
		"":                                 "c:1: unexpected end of file",
		"{\n\n":                            "c:3: end of file where a name",
		"[]":                               "c:1: configuration: want an object, not an array",
		"{}x":                              "c:1: 'x' after the end",
		`{"a": 01}`:                        "c:1: '1' where ',' or '}' belongs",
		`{"a": "\x"}`:                      "c:1: unknown escape",
		strings.Repeat("[", 1000):          "c:1: nested more than",
		"{\"ociVersion\": \"1.0\n":         "c:1: control character",
		"{\"ociVersion\": \"1.0\"}":        "c:1: root: missing",
		"{\"ociVersion\": \"1.0\", \"root": "c:1: string without an end",
	} {
		if _, err := Parse("c", "/", []byte(src)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", src, err, want)
		}
	}
}

func TestReadBundle(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadBundle(dir); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no config.json: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := ReadBundle(dir)
	if err != nil || b.Spec.Root.Path != filepath.Join(dir, "rootfs") {
		t.Errorf("%v, %v", b, err)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]uint64{"0": 0, "12": 12, "64m": 64 << 20, "1GiB": 1 << 30, "2kb": 2048, "1T": 1 << 40} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%s: %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "m", "-1", "1x", "99999999t", "1.5g"} {
		if v, err := ParseSize(s); err == nil {
			t.Errorf("%q: %d", s, v)
		}
	}
}

// Any input gives a configuration or an error of one line that names file and
// line; and what our parser takes for JSON is JSON.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(`{"ociVersion":"1.0","root":{"path":"/"},"mounts":[{"destination":"/x","type":"tmpfs","options":["size=1k"]}]}`))
	f.Add([]byte("[1e5, -0.1, null, \"\\ud800\"]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		_, err := Parse("config.json", "/b", src)
		if err != nil && (!strings.HasPrefix(err.Error(), "config.json:") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("error %q", err)
		}
		if _, err := parse(src); (err == nil) != json.Valid(src) && !deep(src) {
			t.Errorf("parse: %v, encoding/json valid: %v", err, json.Valid(src))
		}
	})
}

// deep reports nesting that we refuse and encoding/json does not.
func deep(src []byte) bool {
	return strings.Count(string(src), "[")+strings.Count(string(src), "{") > maxDepth
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("c", "/", []byte(full)); err != nil {
			b.Fatal(err)
		}
	}
}
