package conformance

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHostIsUnchanged lets a guest write, remove and rename in a directory of
// the host: the guest must see its changes, the host none.
func TestHostIsUnchanged(t *testing.T) {
	g := guest{family: "readonly", name: "readonly", source: filepath.Join(guestDir, "readonly.c")}
	prog := build(t, g)
	for _, platform := range platforms() {
		t.Run(platform, func(t *testing.T) {
			bin := sentinel(t)
			dir := t.TempDir()
			for _, d := range []string{"dir", "tree/one", "tree/two", "many"} {
				if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			files := map[string]string{
				"keep": "keep me\n", "edit": "original\n", "gone": "to be removed\n", "mode": "mode\n",
				"dir/a": "a\n", "early": "early\n", "map": "map\n",
				"tree/one/deep": "deep\n", "tree/two/file": "file\n",
			}
			for n := range 40 {
				files[fmt.Sprintf("many/%02d", n)] = ""
			}
			for name, text := range files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			before := describe(t, dir)
			etc := describe(t, "/etc/hostname") + describe(t, "/etc/passwd")
			out, err := run(nil, bin, "do", "--platform="+platform, "--network=none",
				"--env", "SENTINEL_TEST=1", "--env", "READONLY_DIR="+dir, "--", prog)
			if err != nil {
				t.Errorf("%v\n%s", err, failures(out))
			}
			if after := describe(t, dir); after != before {
				t.Errorf("the host's directory changed:\n%s\nbefore:\n%s", after, before)
			}
			if after := describe(t, "/etc/hostname") + describe(t, "/etc/passwd"); after != etc {
				t.Errorf("the host's /etc changed:\n%s", after)
			}
			for _, made := range []string{"/usr/bin/sentinel-guest-was-here", "/sentinel-guest"} {
				if _, err := os.Lstat(made); err == nil {
					t.Errorf("%s appeared on the host", made)
				}
			}
		})
	}
}

// describe writes down everything about a tree that a guest could change.
func describe(t *testing.T, root string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Lstat(p)
		if err != nil {
			return err
		}
		fmt.Fprint(&b, p, " ", st.Mode(), " ", st.ModTime().Format(time.RFC3339Nano), " ")
		if st.Mode().IsRegular() {
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%d %x", len(text), sha256.Sum256(text))
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return b.String()
}
