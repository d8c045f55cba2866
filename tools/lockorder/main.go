// Command lockorder prepares builds in which every lock of the kernel is checked
// by internal/lockorder. It replaces each sync.Mutex and sync.RWMutex that is a
// field or a variable of the packages below internal by one that knows its name,
// and writes down the order that the package comments declare. The tree stays as
// it is: the copies are for the go command's -overlay.
//
//	lockorder -o DIR
//	go test -overlay DIR/overlay.json ./internal/...
//
// A package comment declares the order in lines of their own, outermost first:
//
//	// Lock order:
//	//
//	//	Dir.mu > Dir.mu (parents first) > Node.mu, Link.mu
//	//	Node.mu > waiter.Queue.mu
//
// A lock is called by its type or variable and its field, that of another package
// with the path below internal before it. What stands in parentheses is for
// people.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("lockorder: ")
	out := flag.String("o", "", "write the copies and overlay.json into `DIR`")
	flag.Parse()
	k, err := read(".")
	if err != nil {
		log.Fatal(err)
	}
	order, problems := k.order()
	for _, p := range problems {
		log.Print(p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	if *out == "" {
		return
	}
	if err := write(*out, k.copies(order)); err != nil {
		log.Fatal(err)
	}
}

// write puts the copies, by the paths of what they stand for, and the overlay
// that names them into dir.
func write(dir string, copies map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for name, text := range copies {
		original, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		copied, err := filepath.Abs(filepath.Join(dir, strings.ReplaceAll(name, "/", "-")))
		if err != nil {
			return err
		}
		if err := os.WriteFile(copied, text, 0o644); err != nil {
			return err
		}
		overlay.Replace[original] = copied
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o644)
}
