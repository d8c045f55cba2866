package programs

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sentinel/test/bench/workloads"
)

// interpreters are Debian's own, whatever else the machine has in PATH.
var interpreters = map[string][]string{
	".sh": {"/bin/bash"},
	".py": {"/usr/bin/python3", "-B"},
	".rb": {"/usr/bin/ruby"},
	".pl": {"/usr/bin/perl"},
	".js": {"node"},
}

// TestScripts runs each file of scripts/.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("scripts/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		interpreter := interpreters[filepath.Ext(file)]
		if interpreter == nil {
			t.Errorf("%s: nothing runs this kind of file", file)
			continue
		}
		set := settings(t, file)
		for _, uid := range users(set.as) {
			name := filepath.Base(file)
			if uid == nobody {
				name += "@nobody"
			}
			t.Run(name, func(t *testing.T) {
				// The script comes by a path that every user can reach.
				compare(t, command{
					argv:    append(append([]string{}, interpreter...), copyTo(t, file)),
					flags:   set.flags,
					uid:     uid,
					overlay: set.overlay,
					timeout: set.timeout,
				}, set.exit)
			})
		}
	}
}

// copyTo puts a script into a folder that every user can reach, apart from the
// data, which has programs of its own.
func copyTo(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(world.base, "scripts", filepath.Base(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

type scriptSettings struct {
	as, flags []string
	overlay   bool
	exit      int
	timeout   time.Duration
}

func settings(t *testing.T, file string) scriptSettings {
	t.Helper()
	var set scriptSettings
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 0; n < 10 && lines.Scan(); n++ {
		_, text, ok := strings.Cut(lines.Text(), " sentinel: ")
		if !ok {
			continue
		}
		for _, setting := range strings.Fields(text) {
			key, value, _ := strings.Cut(setting, "=")
			switch key {
			case "as":
				set.as = strings.Split(value, ",")
			case "native":
				set.overlay = value == "overlay"
			case "flags":
				set.flags = strings.Split(value, ",")
			case "exit":
				set.exit, err = strconv.Atoi(value)
			case "timeout":
				set.timeout, err = time.ParseDuration(value)
			default:
				t.Fatalf("%s: unknown setting %q", file, key)
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
	}
	return set
}

// TestWorkloads runs the applications that the benchmark measures.
func TestWorkloads(t *testing.T) {
	list := workloads.List(world.data, world.bin, world.imageURL)
	if _, err := os.Stat(filepath.Join(world.data, "model.tflite")); err == nil {
		list = append(list, workloads.MobileNet(world.data))
	} else {
		t.Log("no MobileNet model: SENTINEL_MODEL names a folder that has it")
	}
	for _, w := range list {
		for _, uid := range users([]string{"root", "nobody"}) {
			name := w.Name
			if uid == nobody {
				name += "@nobody"
			}
			t.Run(name, func(t *testing.T) {
				compare(t, command{argv: w.Args, uid: uid, timeout: 5 * time.Minute}, 0)
			})
		}
	}
}
