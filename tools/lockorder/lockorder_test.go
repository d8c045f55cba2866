package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTree: every lock of the kernel is in the order of its package comment, and
// the orders together have no circle.
func TestTree(t *testing.T) {
	k, err := read("../..")
	if err != nil {
		t.Fatal(err)
	}
	_, problems := k.order()
	for _, p := range problems {
		t.Error(p)
	}
	if len(k.locks) < 50 {
		t.Errorf("only %d locks found", len(k.locks))
	}
}

const twoLocks = `
type A struct{ mu sync.Mutex }
type B struct {
	n  int
	mu sync.RWMutex
}
`

func TestProblems(t *testing.T) {
	for name, test := range map[string]struct{ doc, code, want string }{
		"none":    {"A.mu > B.mu (a remark, with > in it)", twoLocks, ""},
		"missing": {"A.mu", twoLocks, "does not name B.mu"},
		"unknown": {"A.mu > B.mu > C.mu", twoLocks, `names "C.mu"`},
		"circle":  {"A.mu > B.mu\n//\tB.mu > A.mu", twoLocks, "x.A.mu comes after itself: x.B.mu"},
		"nested":  {"A.mu > A.mu > B.mu", twoLocks, ""},
		"local":   {"A.mu, B.mu", twoLocks + "func f() { var mu sync.Mutex; _ = &mu }\n", "has no name"},
	} {
		t.Run(name, func(t *testing.T) {
			k := &kernel{}
			text := "// Package x has locks.\n//\n// Lock order:\n//\n//\t" + test.doc + "\npackage x\n\nimport \"sync\"\n" + test.code
			if err := k.add("internal/x/x.go", []byte(text)); err != nil {
				t.Fatal(err)
			}
			for i, l := range k.locks {
				l.id = i
			}
			_, problems := k.order()
			got := strings.Join(problems, "\n")
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestBuild builds a program that takes two locks in both orders, one after the
// other, with its locks replaced. Nothing of it could ever deadlock.
func TestBuild(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := filepath.Glob("../../internal/lockorder/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sources {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		put("internal/lockorder/"+filepath.Base(name), string(text))
	}
	put("go.mod", "module sentinel\n\ngo 1.26\n")
	put("main.go", "package main\n\nimport \"sentinel/internal/x\"\n\nfunc main() { x.Run() }\n")
	put("internal/x/x.go", `// Package x has locks.
//
// Lock order:
//
//	A.mu > B.mu
package x

import "sync"
`+twoLocks+`
func Run() {
	var a A
	var b B
	a.mu.Lock()
	b.mu.Lock()
	b.mu.Unlock()
	a.mu.Unlock()
	println("right")
	b.mu.RLock()
	a.mu.Lock()
	println("wrong")
}
`)
	t.Chdir(dir)
	k, err := read(".")
	if err != nil {
		t.Fatal(err)
	}
	order, problems := k.order()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := write("_copies", k.copies(order)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "run", "-overlay", "_copies/overlay.json", ".").CombinedOutput()
	if got := string(out); err == nil || !strings.Contains(got, "right\n") || strings.Contains(got, "wrong\n") ||
		!strings.Contains(got, "x.A.mu is taken while x.B.mu is held, against the order") {
		t.Errorf("%v: %s", err, got)
	}
}
