package platformtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Rebuild runs a stub's script and compares what it builds with what is
// committed.
func Rebuild(t *testing.T, script string, committed []byte) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "stub.elf")
	if text, err := exec.Command("sh", script, out).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, text)
	}
	built, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, committed) {
		t.Errorf("the committed stub is not what %s builds (%d bytes, now %d)", script, len(committed), len(built))
	}
}
