// Command sysgen writes everything that is known per system call from two
// sources: internal/syscalls/table.txt, one row per call, and the handlers of
// package internal/syscalls, functions called sysXxx. It writes
//
//	internal/syscalls/zz_generated_table_ARCH.go     the call tables
//	internal/strace/zz_generated_signatures.go       how calls are printed
//	internal/strace/zz_generated_numbers_ARCH.go     signatures by number
//	docs/SYSCALLS.md                                 for people
//
// It fails when a row promises a handler that does not exist or a handler has
// no row that promises it, having written the files all the same.
//
// Run it with "go run ./tools/sysgen" in the root of the module.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

var arches = []string{"amd64", "arm64"}

func main() {
	log.SetFlags(0)
	log.SetPrefix("sysgen: ")
	files, problems, err := generate(".")
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, files[name]) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(name, files[name], 0o644); err != nil {
			log.Fatal(err)
		}
	}
	for _, p := range problems {
		log.Print(p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

// generate returns the files to write by their paths below root, and where the
// table and the handlers disagree.
func generate(root string) (map[string][]byte, []string, error) {
	rows, err := readTable(filepath.Join(root, "internal/syscalls/table.txt"))
	if err != nil {
		return nil, nil, err
	}
	numbers := map[string]map[string]int{}
	for _, arch := range arches {
		if numbers[arch], err = readNumbers(filepath.Join(root, "internal/abi/linux/zz_generated_sysnum_"+arch+".go")); err != nil {
			return nil, nil, err
		}
	}
	handlers, err := readHandlers(filepath.Join(root, "internal/syscalls"))
	if err != nil {
		return nil, nil, err
	}
	problems := check(rows, numbers["amd64"], handlers)

	files := map[string][]byte{}
	add := func(name string, src []byte) {
		if filepath.Ext(name) == ".go" {
			out, ferr := format.Source(src)
			if ferr != nil {
				err = fmt.Errorf("%s: %w", name, ferr)
				return
			}
			src = out
		}
		files[filepath.Join(root, name)] = src
	}
	for _, arch := range arches {
		add("internal/syscalls/zz_generated_table_"+arch+".go", callTable(rows, numbers[arch], handlers, arch))
		add("internal/strace/zz_generated_numbers_"+arch+".go", numberTable(rows, numbers[arch]))
	}
	sigs, serr := signatures(rows)
	if serr != nil {
		return nil, nil, serr
	}
	add("internal/strace/zz_generated_signatures.go", sigs)
	add("docs/SYSCALLS.md", document(rows, numbers, handlers))
	return files, problems, err
}

// row is one line of the table.
type row struct {
	name    string
	support string // full, partial, absent, refuse
	errno   string // for absent and refuse
	result  string
	args    []argument
	note    string
	line    int
}

type argument struct{ name, kind, param string }

func (r *row) served() bool { return r.support == "full" || r.support == "partial" }

// handlerName is the Go function that serves the call.
func (r *row) handlerName() string {
	var b strings.Builder
	b.WriteString("sys")
	for _, part := range strings.Split(r.name, "_") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}

func readTable(path string) ([]*row, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rows []*row
	for i, line := range strings.Split(string(src), "\n") {
		fail := func(format string, a ...any) error {
			return fmt.Errorf("%s:%d: %s", path, i+1, fmt.Sprintf(format, a...))
		}
		if line == "" || line[0] == '#' {
			continue
		}
		spec, note, _ := strings.Cut(line, " -- ")
		f := strings.Fields(spec)
		if len(f) < 3 {
			return nil, fail("want name, support and result")
		}
		r := &row{name: f[0], result: f[2], note: note, line: i + 1}
		r.support, r.errno, _ = strings.Cut(f[1], ":")
		switch {
		case r.support == "absent" && r.errno == "":
			r.errno = "ENOSYS"
		case r.support == "refuse" && r.errno != "":
		case r.served() && r.errno == "":
		default:
			return nil, fail("bad support level %q", f[1])
		}
		if r.support != "full" && note == "" {
			return nil, fail("%s: %s needs a note", r.name, r.support)
		}
		for _, a := range f[3:] {
			name, kind, ok := strings.Cut(a, ":")
			if !ok {
				return nil, fail("argument %q has no kind", a)
			}
			kind, param, _ := strings.Cut(strings.TrimSuffix(kind, ")"), "(")
			r.args = append(r.args, argument{name, kind, param})
		}
		if len(r.args) > 6 {
			return nil, fail("more than six arguments")
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// readNumbers returns the SYS_ constants of a file, by the call's name.
func readNumbers(path string) (map[string]int, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return nil, err
	}
	nums := map[string]int{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			lit, ok := v.Values[0].(*ast.BasicLit)
			if !ok {
				continue
			}
			n, err := strconv.Atoi(lit.Value)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", path, v.Names[0].Name, err)
			}
			nums[strings.ToLower(strings.TrimPrefix(v.Names[0].Name, "SYS_"))] = n
		}
	}
	return nums, nil
}

// handler is a function that serves a call.
type handler struct {
	name  string
	arch  string // "" is any
	types []string
	pos   string
}

func readHandlers(dir string) ([]handler, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var hs []handler
	for _, name := range names {
		base := filepath.Base(name)
		if strings.HasSuffix(base, "_test.go") || strings.HasPrefix(base, "zz_generated") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		arch := ""
		for _, a := range arches {
			if strings.HasSuffix(base, "_"+a+".go") {
				arch = a
			}
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || len(fn.Name.Name) < 4 || !strings.HasPrefix(fn.Name.Name, "sys") || fn.Name.Name[3] < 'A' || fn.Name.Name[3] > 'Z' {
				continue
			}
			pos := fset.Position(fn.Pos())
			h := handler{name: fn.Name.Name, arch: arch, pos: fmt.Sprintf("%s:%d", base, pos.Line)}
			for i, p := range fn.Type.Params.List {
				for range max(1, len(p.Names)) {
					if i > 0 {
						h.types = append(h.types, typeName(p.Type))
					}
				}
			}
			hs = append(hs, h)
		}
	}
	return hs, nil
}

func typeName(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return "?"
}

// check compares the table with the numbers and the handlers.
func check(rows []*row, numbers map[string]int, handlers []handler) []string {
	var problems []string
	add := func(format string, a ...any) { problems = append(problems, fmt.Sprintf(format, a...)) }
	byHandler, listed := map[string]*row{}, map[string]bool{}
	for _, r := range rows {
		if byHandler[r.handlerName()] != nil {
			add("table.txt:%d: %s is there twice", r.line, r.name)
		}
		byHandler[r.handlerName()] = r
		if _, ok := numbers[r.name]; !ok {
			add("table.txt:%d: %s has no number", r.line, r.name)
		}
		listed[r.name] = true
	}
	for name := range numbers {
		if !listed[name] {
			add("table.txt: no row for %s", name)
		}
	}
	have := map[string]bool{}
	for _, h := range handlers {
		have[h.name] = true
		r := byHandler[h.name]
		switch {
		case r == nil:
			add("%s: %s serves no system call of table.txt", h.pos, h.name)
		case !r.served():
			add("%s: %s exists, but table.txt:%d says %s", h.pos, h.name, r.line, r.support)
		}
		if len(h.types) > 6 {
			add("%s: %s takes more than six arguments", h.pos, h.name)
		}
		for _, t := range h.types {
			if !slices.Contains([]string{"int32", "uint32", "int64", "uint64"}, t) {
				add("%s: %s: arguments are int32, uint32, int64 or uint64", h.pos, h.name)
				break
			}
		}
	}
	for _, r := range rows {
		if r.served() && !have[r.handlerName()] {
			add("table.txt:%d: %s is %s, but there is no %s", r.line, r.name, r.support, r.handlerName())
		}
	}
	slices.Sort(problems)
	return problems
}
