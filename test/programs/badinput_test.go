package programs

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// failsClearly demands one of the exit codes, nothing on stdout, and exactly one
// line on stderr that holds each of the words.
func (r result) failsClearly(t *testing.T, what string, codes []int, words ...string) {
	t.Helper()
	if !slices.Contains(codes, r.code) {
		t.Errorf("%s: exit code %d, want %v", what, r.code, codes)
	}
	if r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasSuffix(r.stderr, "\n") {
		t.Errorf("%s: stdout %q, stderr %q, want one line on stderr", what, r.stdout, r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("%s: stderr %q says nothing of %q", what, r.stderr, word)
		}
	}
}

func TestBadPrograms(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		binary := readFile(t, "/bin/true")
		file := func(name string, mode os.FileMode, text []byte) string { return b.write(t, name, mode, text) }
		for _, c := range []struct {
			path  string
			code  int
			words []string
		}{
			{"/no/such/program", 127, []string{"/no/such/program", "no such file"}},
			{"nosuchprogram", 127, []string{"nosuchprogram"}},
			{"./nosuch", 127, []string{"nosuch"}},
			{"/usr", 126, []string{"/usr"}},
			{file("plain", 0o644, []byte("text")), 126, []string{"plain", "permission denied"}},
			{file("garbage", 0o755, []byte("\x7fELFgarbage")), 126, []string{"garbage", "exec format error"}},
			{file("nothing", 0o755, nil), 126, []string{"nothing", "exec format error"}},
			{file("words", 0o755, []byte("no program at all\n")), 126, []string{"words", "exec format error"}},
			{file("short", 0o755, binary[:100]), 126, []string{"short", "exec format error"}},
			{file("arm", 0o755, patch(binary, 18, uint16(elf.EM_AARCH64))), 126, []string{"arm", "exec format error"}},
			{file("class32", 0o755, patch(binary, 4, uint8(elf.ELFCLASS32))), 126, []string{"class32"}},
			{file("object", 0o755, patch(binary, 16, uint16(elf.ET_REL))), 126, []string{"object"}},
			{file("noload", 0o755, patch(binary, 56, uint16(0))), 126, []string{"noload"}},
			{file("far", 0o755, patch(binary, 32, uint64(1)<<60)), 126, []string{"far"}},
			{file("nointerp", 0o755, bytes.Replace(binary, []byte("/lib64/ld-linux"), []byte("/lib64/no-linux"), 1)), 127, []string{"nointerp"}},
			{file("script", 0o755, []byte("#!/no/such/interpreter\n")), 127, []string{"script"}},
			{file("loop", 0o755, []byte("#!"+b.work+"/loop\n")), 126, []string{"loop"}},
			{file("dirscript", 0o755, []byte("#!/usr\n")), 126, []string{"dirscript"}},
			{b.work + "/plain/beneath", 126, []string{"beneath", "not a directory"}},
		} {
			r := b.do(t, "--", c.path)
			r.stderr = lowerFirst(r.stderr)
			codes := []int{c.code}
			if strings.HasSuffix(c.path, "/beneath") {
				codes = append(codes, 127)
			}
			r.failsClearly(t, filepath.Base(c.path), codes, c.words...)
		}
	})
}

// lowerFirst makes the kernel's and Go's texts of errors alike.
func lowerFirst(s string) string {
	for _, text := range []string{"No such file", "Permission denied", "Exec format error", "Not a directory"} {
		s = strings.ReplaceAll(s, text, strings.ToLower(text[:1])+text[1:])
	}
	return s
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// patch returns a copy of an ELF file with one little-endian field changed.
func patch[T uint8 | uint16 | uint64](file []byte, offset int, value T) []byte {
	file = slices.Clone(file)
	if _, err := binary.Encode(file[offset:], binary.LittleEndian, value); err != nil {
		panic(err) // an offset of this test's own
	}
	return file
}

func TestBadFlags(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		plain := b.write(t, "plain", 0o644, []byte("text"))
		own := []int{125}
		for _, c := range []struct {
			args []string
			word string
		}{
			{nil, ""},
			{[]string{"frobnicate"}, "frobnicate"},
			{[]string{"do"}, ""},
			{[]string{"do", "--"}, ""},
			{[]string{"do", "--nosuch", "--", "true"}, "nosuch"},
			{[]string{"do", "--platform=bogus", "--", "true"}, "bogus"},
			{[]string{"do", "--memory=much", "--", "true"}, "much"},
			{[]string{"do", "--memory=-5", "--", "true"}, "-5"},
			{[]string{"do", "--timeout=soon", "--", "true"}, "soon"},
			{[]string{"do", "--pids=many", "--", "true"}, "many"},
			{[]string{"do", "--network=bogus", "--", "true"}, "bogus"},
			{[]string{"do", "--user=nosuchuser", "--", "true"}, "nosuchuser"},
			{[]string{"do", "--env=novalue", "--clear-env=perhaps", "--", "true"}, ""},
			{[]string{"do", "--bind=/no/such/source:/mnt", "--", "true"}, "/no/such/source"},
			{[]string{"do", "--bind=/usr:relative", "--", "true"}, "relative"},
			{[]string{"do", "--tmpfs=/mnt:big", "--", "true"}, "big"},
			{[]string{"do", "--root=/no/such/root", "--", "true"}, "/no/such/root"},
			{[]string{"do", "--root=" + plain, "--", "true"}, "plain"},
			{[]string{"run"}, ""},
			{[]string{"run", "--bundle", b.work}, ""},
			{[]string{"run", "--bundle", "/no/such/bundle", "id"}, "/no/such/bundle"},
			{[]string{"run", "--bundle", b.work, "id"}, "config.json"},
		} {
			b.sentinel(t, "", c.args...).failsClearly(t, strings.Join(c.args, " "), own, c.word)
		}
		b.do(t, "--cwd=/no/such/cwd", "--", "true").failsClearly(t, "cwd", []int{125, 126, 127}, "/no/such/cwd")
	})
}

func TestBadBundles(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		b.rootfs(t)
		good := `{
 "ociVersion": "1.0.2",
 "process": { "args": ["/bin/true"], "cwd": "/", "user": { "uid": 0, "gid": 0 } },
 "root": { "path": "rootfs" }
}`
		for _, c := range []struct {
			name, config string
			words        []string
		}{
			{"empty", "", []string{"config.json"}},
			{"cut", good[:60], []string{"config.json", "json:3:"}},
			{"comma", strings.Replace(good, `"root": {`, `"root" {`, 1), []string{"config.json", "json:4:"}},
			{"type", strings.Replace(good, `["/bin/true"]`, `"true"`, 1), []string{"config.json", "args"}},
			{"no args", strings.Replace(good, `["/bin/true"]`, `[]`, 1), []string{"args"}},
			{"no process", `{"ociVersion": "1.0.2", "root": {"path": "rootfs"}}`, []string{"process"}},
			{"no root", `{"ociVersion": "1.0.2", "process": {"args": ["/bin/true"], "cwd": "/"}}`, []string{"root"}},
			{"missing root", strings.Replace(good, `"rootfs"`, `"nosuchroot"`, 1), []string{"nosuchroot"}},
			{"root is a file", strings.Replace(good, `"rootfs"`, `"config.json"`, 1), []string{"config.json"}},
			{"relative cwd", strings.Replace(good, `"cwd": "/"`, `"cwd": "here"`, 1), []string{"cwd"}},
			{"version", strings.Replace(good, "1.0.2", "9.0.0", 1), []string{"9.0.0"}},
			{"mount source", strings.Replace(good, `"root"`, `"mounts": [{"destination": "/mnt", "type": "bind", "source": "/no/such/source", "options": ["bind"]}], "root"`, 1), []string{"/no/such/source"}},
			{"rlimit", strings.Replace(good, `"cwd"`, `"rlimits": [{"type": "RLIMIT_BOGUS", "hard": 1, "soft": 1}], "cwd"`, 1), []string{"RLIMIT_BOGUS"}},
			{"hooks", strings.Replace(good, `"root"`, `"hooks": {"prestart": [{"path": "/bin/true"}]}, "root"`, 1), []string{"hooks"}},
		} {
			b.write(t, "config.json", 0o644, []byte(c.config))
			b.sentinel(t, "", "run", "--platform="+b.platform, "--bundle", b.work, "id").failsClearly(t, c.name, []int{125}, c.words...)
		}
		b.write(t, "config.json", 0o644, []byte(good))
		for _, id := range []string{"", "../x", "a/b", strings.Repeat("x", 2000)} {
			b.sentinel(t, "", "run", "--platform="+b.platform, "--bundle", b.work, id).failsClearly(t, "id "+id, []int{125})
		}
		b.write(t, "config.json", 0o644, []byte(strings.Replace(good, "/bin/true", "/bin/nosuch", 1)))
		b.sentinel(t, "", "run", "--platform="+b.platform, "--bundle", b.work, "id").failsClearly(t, "program", []int{127}, "/bin/nosuch")
		if b.uid == nobody {
			b.write(t, "config.json", 0o600, []byte(good))
			b.sentinel(t, "", "run", "--platform="+b.platform, "--bundle", b.work, "id").failsClearly(t, "unreadable", []int{125}, "config.json")
		}
	})
}
