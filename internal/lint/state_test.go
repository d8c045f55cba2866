package lint

import (
	"go/ast"
	"go/token"
	"testing"
)

// kernels are the packages of which two kernels in one process may have nothing
// in common: what changes hangs off an object of one sandbox.
var kernels = []string{
	"internal/waiter", "internal/cred", "internal/usermem", "internal/signal", "internal/ktime", "internal/hostpoll",
	"internal/vfs", "internal/fs/...", "internal/pipe", "internal/eventfd", "internal/epoll", "internal/timerfd",
	"internal/sock", "internal/sock/...", "internal/tty", "internal/ipc", "internal/loader", "internal/mm", "internal/task",
	"internal/signalfd", "internal/pidfd", "internal/syscalls",
}

// sharedState is what they may have in common all the same, and why.
var sharedState = map[string]string{
	"internal/vfs.anonMount": "is only compared with; nobody reads what it counts",
	"internal/task.zeroPage": "is never written; with a value it would take space in the binary",
}

// TestState: a package-level variable of a kernel's package is a constant in all
// but name: it has a value from the start, that value has nothing in it that
// changes by itself, and nobody assigns to it or takes its address. sync.OnceValue
// makes constants late; a sync.Pool has scratch memory, which nobody can tell
// apart.
func TestState(t *testing.T) {
	variables := map[string]map[string]token.Position{} // by package and name
	var files []*source
	for _, s := range sources(t) {
		if matches(kernels, s.dir) && !s.isTest() {
			files = append(files, s)
		}
	}
	for _, s := range files {
		for _, decl := range s.ast.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.VAR {
				continue
			}
			for _, spec := range gen.Specs {
				spec := spec.(*ast.ValueSpec)
				for i, name := range spec.Names {
					at := s.fset.Position(name.Pos())
					full := s.dir + "." + name.Name
					switch {
					case name.Name == "_" || sharedState[full] != "":
					case i >= len(spec.Values):
						t.Errorf("%s: %s has no value yet: give it to the object of one sandbox", at, full)
					case changes(spec.Values[i]):
						t.Errorf("%s: %s can change: give it to the object of one sandbox", at, full)
					default:
						if variables[s.dir] == nil {
							variables[s.dir] = map[string]token.Position{}
						}
						variables[s.dir][name.Name] = at
					}
				}
			}
		}
	}
	for _, s := range files {
		written := func(x ast.Expr, how string) {
			name := rootOf(x)
			if name == nil {
				return
			}
			if at, is := variables[s.dir][name.Name]; is {
				t.Errorf("%s: the package variable of %s, or a namesake, is %s", s.fset.Position(x.Pos()), at, how)
			}
		}
		ranges := map[ast.Node]bool{} // what range statements go over
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.RangeStmt:
				ranges[n.X] = true
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, x := range n.Lhs {
						written(x, "assigned to")
					}
				}
			case *ast.IncDecStmt:
				written(n.X, "changed")
			case *ast.UnaryExpr:
				if n.Op == token.AND && !ranges[n] {
					written(n.X, "pointed to")
				}
			}
			return true
		})
	}
}

// changes reports whether a value, as it is written down, could change later.
func changes(value ast.Expr) bool {
	switch value := value.(type) {
	case *ast.BasicLit, *ast.Ident, *ast.SelectorExpr, *ast.FuncLit:
		return false
	case *ast.CompositeLit:
		if sel, ok := value.Type.(*ast.SelectorExpr); ok {
			pkg, _ := sel.X.(*ast.Ident)
			return pkg == nil || pkg.Name == "atomic" || pkg.Name == "sync" && sel.Sel.Name != "Pool"
		}
		_, isMap := value.Type.(*ast.MapType)
		return isMap
	case *ast.CallExpr:
		sel, ok := value.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, _ := sel.X.(*ast.Ident)
		return pkg == nil || !(pkg.Name == "errors" && sel.Sel.Name == "New" || pkg.Name == "sync" && sel.Sel.Name == "OnceValue")
	}
	return true
}

// rootOf returns the variable that an expression is a part of.
func rootOf(x ast.Expr) *ast.Ident {
	for {
		switch e := x.(type) {
		case *ast.Ident:
			return e
		case *ast.IndexExpr:
			x = e.X
		case *ast.SelectorExpr:
			x = e.X
		case *ast.ParenExpr:
			x = e.X
		default:
			return nil
		}
	}
}
