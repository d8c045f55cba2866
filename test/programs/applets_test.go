package programs

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestApplets holds scripts/busybox.sh to its promise: it runs or names every
// applet that this busybox has.
func TestApplets(t *testing.T) {
	text, err := os.ReadFile("scripts/busybox.sh")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.FieldsFunc(string(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("[-_", r)
	})
	list, err := exec.Command("busybox", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, applet := range strings.Fields(string(list)) {
		if !slices.Contains(words, applet) {
			t.Errorf("scripts/busybox.sh neither runs nor names %s", applet)
		}
	}
}
