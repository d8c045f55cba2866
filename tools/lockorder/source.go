package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	module  = "sentinel"
	checker = "internal/lockorder"
)

// left are packages whose locks are not checked: the tests and the checker, and
// the platforms, which take no lock of the kernel.
var left = []string{"internal/lint", checker, "internal/platform"}

// A lock is one field or variable that is a mutex.
type lock struct {
	pkg  string // path below internal
	name string // in its package: VFS.mountMu
	kind string // Mutex, RWMutex
	id   int
	// The mutex's type in the text of file.
	file     *file
	from, to int
}

func (l *lock) full() string { return l.pkg + "." + l.name }

// alias is the name of the type that the copy has instead.
func (l *lock) alias() string { return "lock_" + strings.ReplaceAll(l.name, ".", "_") }

// A file is one Go file of the kernel that has locks.
type file struct {
	name  string // from the root
	text  []byte
	locks []*lock
}

// A comment is the part of a package comment that declares the order.
type comment struct {
	pkg   string
	where token.Position
	lines []string
}

// kernel is what the sources say.
type kernel struct {
	locks    []*lock // by full name; the index is the id
	files    []*file
	comments []comment
	problems []string
}

// read parses the packages below internal of the module in root.
func read(root string) (*kernel, error) {
	k := &kernel{}
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if entry.IsDir() && (slices.Contains(left, rel) || entry.Name() == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return k.add(rel, text)
	})
	slices.SortFunc(k.locks, func(a, b *lock) int { return strings.Compare(a.full(), b.full()) })
	for i, l := range k.locks {
		l.id = i
	}
	return k, err
}

// add takes the locks and the order from one file.
func (k *kernel) add(name string, text []byte) error {
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	f := &file{name: name, text: text}
	pkg := strings.TrimPrefix(path.Dir(name), "internal/")
	if tree.Doc != nil {
		if lines := orderLines(tree.Doc.Text()); len(lines) > 0 {
			k.comments = append(k.comments, comment{pkg, fset.Position(tree.Doc.Pos()), lines})
		}
	}
	found := map[ast.Node]bool{}
	visit := func(owner string, typ ast.Expr) {
		fields(owner, typ, func(owner string, sel *ast.SelectorExpr) {
			found[sel] = true
			l := &lock{pkg: pkg, name: owner, kind: sel.Sel.Name, file: f}
			l.from, l.to = fset.Position(sel.Pos()).Offset, fset.Position(sel.End()).Offset
			f.locks = append(f.locks, l)
			k.locks = append(k.locks, l)
		})
	}
	for _, decl := range tree.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range gen.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				visit(spec.Name.Name, spec.Type)
			case *ast.ValueSpec:
				if spec.Type != nil {
					visit(spec.Names[0].Name, spec.Type)
				}
			}
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && isMutex(sel) && !found[sel] {
			k.problems = append(k.problems, fmt.Sprintf("%s: a mutex that is no field has no name", fset.Position(sel.Pos())))
		}
		return true
	})
	if len(f.locks) > 0 {
		k.files = append(k.files, f)
	}
	return nil
}

// fields calls do for each mutex in a type, with its name.
func fields(owner string, typ ast.Expr, do func(string, *ast.SelectorExpr)) {
	switch typ := typ.(type) {
	case *ast.SelectorExpr:
		if isMutex(typ) {
			do(owner, typ)
		}
	case *ast.ArrayType:
		fields(owner, typ.Elt, do)
	case *ast.StructType:
		for _, field := range typ.Fields.List {
			name := "Mutex" // embedded
			if len(field.Names) > 0 {
				name = field.Names[0].Name
			}
			fields(owner+"."+name, field.Type, do)
		}
	}
}

func isMutex(sel *ast.SelectorExpr) bool {
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "sync" && (sel.Sel.Name == "Mutex" || sel.Sel.Name == "RWMutex")
}

// copies returns the files of a checked build by the paths of those they stand
// for: each with locks, one more for each package with them, and the order.
func (k *kernel) copies(after [][]int) map[string][]byte {
	copies := map[string][]byte{}
	packages := map[string][]*lock{}
	for _, f := range k.files {
		var text bytes.Buffer
		at := 0
		for _, l := range f.locks {
			text.Write(f.text[at:l.from])
			text.WriteString(l.alias())
			at = l.to
		}
		text.Write(f.text[at:])
		text.WriteString("\nvar _ sync.Mutex // the import stays used\n")
		copies[f.name] = text.Bytes()
		packages[path.Dir(f.name)] = append(packages[path.Dir(f.name)], f.locks...)
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		var text bytes.Buffer
		fmt.Fprintf(&text, "package %s\n\nimport \"%s/%s\"\n", path.Base(dir), module, checker)
		for _, l := range packages[dir] {
			fmt.Fprintf(&text, "\ntype %s = lockorder.%s[class_%s]\n", l.alias(), l.kind, l.alias())
			fmt.Fprintf(&text, "type class_%s struct{}\n", l.alias())
			fmt.Fprintf(&text, "func (class_%s) ID() int { return %d }\n", l.alias(), l.id)
		}
		copies[dir+"/zz_lockorder.go"] = text.Bytes()
	}
	var text bytes.Buffer
	text.WriteString("package lockorder\n\nfunc init() {\n\tdeclared = Order{\n\t\tNames: []string{\n")
	for _, l := range k.locks {
		fmt.Fprintf(&text, "\t\t\t%q,\n", l.full())
	}
	text.WriteString("\t\t},\n\t\tAfter: [][]int{\n")
	for _, ids := range after {
		fmt.Fprintf(&text, "\t\t\t{%s},\n", strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ", "), "[]"))
	}
	text.WriteString("\t\t},\n\t}\n}\n")
	copies[checker+"/zz_order.go"] = text.Bytes()
	return copies
}
