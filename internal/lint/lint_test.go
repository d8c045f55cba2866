package lint

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root     = "../.."
	module   = "sentinel"
	maxLines = 600
)

// layers, lowest first. A package imports only from layers below its own. A
// name stands for itself and, with /..., for what lies beneath it.
var layers = [][]string{
	{"internal/abi/linux"},
	{"internal/waiter", "internal/cred", "internal/usermem", "internal/signal", "internal/ktime"},
	{"internal/arch", "internal/host"},
	{"internal/hostpoll"},
	{"internal/vfs"},
	{"internal/vfs/vfstest"},
	{"internal/fs/kernfs", "internal/pipe", "internal/eventfd", "internal/epoll", "internal/timerfd", "internal/sock", "internal/ipc"},
	{"internal/tty", "internal/sock/netif", "internal/fs/mem", "internal/fs/host", "internal/fs/sys"},
	{"internal/sock/inet", "internal/sock/unix", "internal/sock/netlink", "internal/fs/dev", "internal/fs/overlay"},
	{"internal/sock/loopback"},
	{"internal/sock/stack"},
	{"internal/platform"},
	{"internal/platform/platformtest", "internal/platform/stub", "internal/platform/guestmem", "internal/platform/trap/handoff", "internal/loader", "internal/mm"},
	{"internal/platform/...", "internal/task"},
	{"internal/signalfd", "internal/pidfd", "internal/fs/proc"},
	{"internal/syscalls"},
	{"internal/jail", "internal/oci"},
	{"internal/strace"},
	{"internal/sandbox"},
	{"internal/cli"},
	{"cmd/..."},
}

// unlayered packages stand beside the product: they may import anything, and
// nothing of the product may import them.
var unlayered = []string{"internal/lint", "internal/lockorder", "test/...", "tools/..."}

// mayCallHost lists who may import golang.org/x/sys/unix.
var mayCallHost = []string{"internal/host", "internal/jail", "internal/platform/...", "cmd/...", "test/...", "tools/..."}

// emptyNames are package names that say nothing.
var emptyNames = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "base", "types"}

// A source is one Go file of the repository.
type source struct {
	name string // slash-separated, from the root
	dir  string
	text []byte
	ast  *ast.File
	fset *token.FileSet
}

func (s *source) isTest() bool      { return strings.HasSuffix(s.name, "_test.go") }
func (s *source) isGenerated() bool { return strings.HasPrefix(path.Base(s.name), "zz_") }

func (s *source) imports() []string {
	var list []string
	for _, spec := range s.ast.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		list = append(list, name)
	}
	return list
}

// walk calls do for each file of the repository with one of the suffixes.
func walk(t *testing.T, do func(name string, text []byte), suffixes ...string) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		if entry.IsDir() {
			if rel == ".git" || rel == "bin" || entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains(suffixes, filepath.Ext(name)) || !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(name)
		if err == nil {
			do(filepath.ToSlash(rel), text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sources(t *testing.T) []*source {
	t.Helper()
	var list []*source
	walk(t, func(name string, text []byte) {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Error(err)
			return
		}
		list = append(list, &source{name, path.Dir(name), text, file, fset})
	}, ".go")
	if len(list) < 10 {
		t.Fatalf("only %d Go files found", len(list))
	}
	return list
}

func matches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		beneath, isTree := strings.CutSuffix(p, "/...")
		return p == pkg || isTree && strings.HasPrefix(pkg, beneath+"/")
	})
}

// layerOf prefers a package's own name over a tree that it lies in.
func layerOf(pkg string) int {
	if i := slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, pkg) }); i >= 0 {
		return i
	}
	return slices.IndexFunc(layers, func(l []string) bool { return matches(l, pkg) })
}

func TestLayers(t *testing.T) {
	unplaced := map[string]bool{}
	for _, s := range sources(t) {
		if matches(unlayered, s.dir) {
			continue
		}
		own := layerOf(s.dir)
		reach := own // what it imports lies below this
		if s.isTest() {
			reach++ // a test may use a neighbour
		}
		if own < 0 {
			if !unplaced[s.dir] {
				t.Errorf("%s is in no layer: add it to the table here", s.dir)
			}
			unplaced[s.dir] = true
			continue
		}
		for _, name := range s.imports() {
			pkg, ours := strings.CutPrefix(name, module+"/")
			switch {
			case !ours || pkg == s.dir || s.isTest() && strings.HasSuffix(s.ast.Name.Name, "_test"):
			case s.isTest() && matches(unlayered, pkg):
			case matches(unlayered, pkg):
				t.Errorf("%s imports %s, which is no part of the product", s.name, pkg)
			case layerOf(pkg) < 0:
				t.Errorf("%s imports %s, which is in no layer", s.name, pkg)
			case layerOf(pkg) >= reach:
				t.Errorf("%s imports %s: imports only go down", s.name, pkg)
			}
		}
	}
}

func TestHostCalls(t *testing.T) {
	for _, s := range sources(t) {
		if slices.Contains(s.imports(), "golang.org/x/sys/unix") && !matches(mayCallHost, s.dir) && !s.isTest() {
			t.Errorf("%s imports x/sys/unix: host calls go through internal/host", s.name)
		}
	}
}

func TestUnsafe(t *testing.T) {
	for _, s := range sources(t) {
		if !slices.Contains(s.imports(), "unsafe") {
			continue
		}
		name := strings.TrimSuffix(strings.TrimSuffix(path.Base(s.name), ".go"), "_test")
		for _, arch := range architectures {
			name = strings.TrimSuffix(name, "_"+arch)
		}
		if !strings.HasSuffix(name, "_unsafe") {
			t.Errorf("%s imports unsafe: only files named *_unsafe.go may", s.name)
		}
		if !bytes.Contains(s.text, []byte("SAFETY:")) {
			t.Errorf("%s has no comment that begins SAFETY: and says why it is right", s.name)
		}
	}
}

// TestPointersAsIntegers: a pointer becomes an integer only in the arguments of
// a system call. Before any other call it may be one to the goroutine's stack,
// which that call may move; the kernel then writes to where it was.
func TestPointersAsIntegers(t *testing.T) {
	for _, s := range sources(t) {
		var allowed [2]token.Pos // of the arguments that Inspect is in
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && systemCalls[sel.Sel.Name] {
				allowed = [2]token.Pos{call.Lparen, call.Rparen}
			}
			if isPointerAsInteger(call) && (call.Pos() < allowed[0] || call.Pos() > allowed[1]) {
				t.Errorf("%s: uintptr(unsafe.Pointer) outside a system call's arguments", s.fset.Position(call.Pos()))
			}
			return true
		})
	}
}

var systemCalls = map[string]bool{
	"RawSyscall": true, "RawSyscall6": true, "Syscall": true, "Syscall6": true, "AllThreadsSyscall": true,
}

func isPointerAsInteger(call *ast.CallExpr) bool {
	to, ok := call.Fun.(*ast.Ident)
	if !ok || to.Name != "uintptr" || len(call.Args) != 1 {
		return false
	}
	from, ok := call.Args[0].(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := from.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Pointer"
}

// architectures that have suffix files here.
var architectures = []string{"amd64", "arm64"}

// TestArchitectures: what is of one machine says so by its file's name, not by
// a build tag and not by asking runtime.GOARCH.
func TestArchitectures(t *testing.T) {
	tag := regexp.MustCompile(`(?m)^//go:build .*\b(amd64|arm64)\b`)
	for _, s := range sources(t) {
		if s.isGenerated() {
			continue
		}
		if tag.Match(s.text) {
			t.Errorf("%s has a build tag for an architecture: use the suffix", s.name)
		}
		if bytes.Contains(s.text, []byte("runtime.GOARCH")) && !matches(unlayered, s.dir) {
			t.Errorf("%s asks runtime.GOARCH: use suffix files", s.name)
		}
	}
	walk(t, func(name string, _ []byte) {
		stem := strings.TrimSuffix(path.Base(name), ".s")
		if !slices.ContainsFunc(architectures, func(a string) bool { return strings.HasSuffix(stem, "_"+a) }) {
			t.Errorf("%s is assembly without an architecture's suffix", name)
		}
	}, ".s")
}

func TestFileSize(t *testing.T) {
	for _, s := range sources(t) {
		if lines := bytes.Count(s.text, []byte("\n")); lines > maxLines && !s.isGenerated() {
			t.Errorf("%s has %d lines, more than %d: split it", s.name, lines, maxLines)
		}
	}
}

func TestPackageComments(t *testing.T) {
	documented, packages := map[string]bool{}, map[string]string{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.ast.Name.Name, "_test") {
			continue
		}
		packages[s.dir] = s.ast.Name.Name
		if s.ast.Doc != nil {
			documented[s.dir] = true
		}
	}
	for dir, name := range packages {
		if !documented[dir] {
			t.Errorf("package %s (%s) has no package comment", name, dir)
		}
		if slices.Contains(emptyNames, name) {
			t.Errorf("package %s (%s): the name says nothing", name, dir)
		}
	}
}

// TestNoSkips: a skipped test hides a failure.
func TestNoSkips(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) && s.isTest() {
				t.Errorf("%s: skips", s.fset.Position(call.Pos()))
			}
			return true
		})
	}
}

// heavy packages cost start-up time, and where they may be all the same.
var heavy = map[string][]string{
	"net/http":       nil,
	"regexp":         nil,
	"text/template":  nil,
	"html/template":  nil,
	"encoding/gob":   nil,
	"encoding/json":  {"internal/oci", "internal/cli", "internal/sandbox", "internal/strace"},
	"crypto/tls":     nil,
	"os/signal":      nil,
	"os/user":        nil,
	"net":            nil,
	"log/slog":       {"internal/cli", "internal/sandbox", "internal/task", "internal/jail"},
	"expvar":         nil,
	"net/http/pprof": nil,
}

func TestHeavyImports(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() || matches(unlayered, s.dir) {
			continue
		}
		for _, name := range s.imports() {
			if allowed, is := heavy[name]; is && !slices.Contains(allowed, s.dir) {
				t.Errorf("%s imports %s, which makes every start slower", s.name, name)
			}
		}
	}
}

func TestFormat(t *testing.T) {
	for _, s := range sources(t) {
		if formatted, err := format.Source(s.text); err != nil || !bytes.Equal(formatted, s.text) {
			t.Errorf("%s is not as gofmt would have it (%v)", s.name, err)
		}
	}
}

// TestLinks: every link of a document to a file of the repository leads to one.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	walk(t, func(name string, text []byte) {
		for _, m := range link.FindAllSubmatch(text, -1) {
			target, _, _ := strings.Cut(string(m[1]), "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, path.Dir(name), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}, ".md")
}

// TestRuntimeImports walks what the runtime binary is really made of: a heavy
// package costs the same when another one of ours or a module brings it.
func TestRuntimeImports(t *testing.T) {
	forbidden := []string{"net/http", "regexp", "text/template", "crypto/tls"}
	seen := map[string]bool{}
	var visit func(pkg, dir, via string)
	visit = func(pkg, dir, via string) {
		if seen[pkg] || pkg == "C" || pkg == "unsafe" {
			return
		}
		seen[pkg] = true
		if slices.Contains(forbidden, pkg) {
			t.Errorf("%s brings %s into the runtime binary", via, pkg)
			return
		}
		rel, ours := strings.CutPrefix(pkg, module+"/")
		if !ours {
			if strings.Contains(strings.SplitN(pkg, "/", 2)[0], ".") {
				return // modules: few, and read by people
			}
			if p, err := build.Import(pkg, dir, 0); err == nil {
				for _, name := range p.Imports {
					visit(name, dir, via)
				}
			}
			return
		}
		p, err := build.ImportDir(filepath.Join(root, rel), 0)
		if err != nil {
			return // not there yet, or no Go files for this machine
		}
		for _, name := range p.Imports {
			visit(name, p.Dir, pkg)
		}
	}
	visit(module+"/cmd/sentinel", root, "cmd/sentinel")
}
