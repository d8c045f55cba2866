// Package workloads holds the applications that the benchmark measures and the
// tests check: those of the Sentinel paper (hello in C, Ruby and Python, JSON in
// Ruby, a matrix product with numpy, edges with OpenCV, a download, MobileNetV2
// with TensorFlow Lite; sleep and a TCP echo server for memory), programs that make
// many system calls (redis, nginx, postgres, gcc, git), and a few loops.
package workloads

import (
	"embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed apps
var sources embed.FS

// Epoch is the time that made-up files carry.
var Epoch = time.Unix(1600000000, 0)

// A Workload is one command.
type Workload struct {
	Name string
	Args []string
}

// List gives the applications with the inputs in data (made by Prepare), the
// programs in bin (made by Compile), and a URL of a picture.
func List(data, bin, url string) []Workload {
	python := func(script string, args ...string) []string {
		return append([]string{"/usr/bin/python3", "-B", filepath.Join(data, script)}, args...)
	}
	list := []Workload{
		{"true", []string{"/bin/true"}},
		{"hello-static", []string{filepath.Join(bin, "hello-static")}},
		{"hello-c", []string{filepath.Join(bin, "hello")}},
		{"hello-ruby", []string{"/usr/bin/ruby", filepath.Join(data, "hello.rb")}},
		{"hello-python", python("hello.py")},
		{"json-ruby", []string{"/usr/bin/ruby", filepath.Join(data, "json.rb"), filepath.Join(data, "data.json")}},
		{"matmul-numpy", python("matmul.py")},
		{"edges-opencv", python("edge.py", filepath.Join(data, "picture.bmp"))},
		{"download", python("download.py", url)},
	}
	return list
}

// MobileNet classifies a picture; it needs the model that Prepare may not have found.
func MobileNet(data string) Workload {
	return Workload{"mobilenet", []string{"/usr/bin/python3", "-B", filepath.Join(data, "mobilenet.py"), data}}
}

// Loops are the system-call loops: name, kind and count for the program loop.
var Loops = []struct {
	Name, Kind string
	Count      int
}{
	{"getppid", "getppid", 20000},
	{"getuid", "getuid", 20000},
	{"open-fstat-read-close", "open", 5000},
	{"stat-missing", "miss", 10000},
	{"pipe-pingpong", "pingpong", 3000},
	{"read-64k", "read", 4096},
	{"write-64k", "write", 4096},
	{"fork-exec-wait", "spawn", 500},
	{"mutex-8-threads", "mutex", 400000},
}

// EmptyGo is a Go program that does nothing.
var EmptyGo = Workload{"go-empty", []string{"/bin/go-empty"}}

// Floors are what nothing of this kind can do without, natively: name and kind
// for the program floor, and a count.
var Floors = []struct {
	Name, Kind string
	Count      int
}{
	{"trap", "trap", 20000},
	{"handover-one-cpu", "near", 5000},
	{"handover-two-cpus", "far", 1000},
	{"handover-awake", "spin", 100000},
	{"handover-64k", "data", 2000},
	{"touch", "touch", 1000},
	{"populate", "populate", 1000},
	{"lstat", "lstat", TreeFiles},
	{"lstat-ten-threads", "lstats", TreeFiles},
	{"lstat-served", "served", TreeFiles},
}

// CacheDir is where tools/setup-debian puts what Debian lacks.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "sentinel-test"), nil
}

// Prepare fills dir with the sources and made-up inputs, and with the MobileNet
// model from the folder model if it is there.
func Prepare(dir, model string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names, err := fs.Glob(sources, "apps/*")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := sources.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "data.json"), document(), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "picture.bmp"), picture(640, 480), 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "www"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "www/index.html"), []byte(strings.Repeat("<p>hello all</p>", 1024/16)), 0o644); err != nil {
		return err
	}
	return prepareModel(dir, model)
}

func prepareModel(dir, model string) error {
	if model == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(model, "mobilenet_v2_1.0_224_quant.tflite")); err != nil {
		return nil
	}
	cache, err := CacheDir()
	if err != nil {
		return err
	}
	for from, to := range map[string]string{
		"mobilenet_v2_1.0_224_quant.tflite": "model.tflite",
		"imagenet_labels.txt":               "labels.txt",
		"grace_hopper.bmp":                  "photo.bmp",
	} {
		data, err := os.ReadFile(filepath.Join(model, from))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	runtime, err := filepath.EvalSymlinks(filepath.Join(cache, "tflite"))
	if err != nil {
		return fmt.Errorf("%w: run tools/setup-debian", err)
	}
	os.RemoveAll(filepath.Join(dir, "tflite"))
	return os.CopyFS(filepath.Join(dir, "tflite"), os.DirFS(runtime))
}

// Compile builds the C programs from dir into bin with gcc.
func Compile(dir, bin string) error {
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"-o", "hello", "hello.c"},
		{"-static", "-o", "hello-static", "hello.c"},
		{"-static", "-pthread", "-o", "loop", "loop.c"},
		{"-static", "-o", "echo-server", "echo.c"},
		{"-static", "-pthread", "-o", "floor", "floor.c"},
		{"-static", "-o", "pairs", "pairs.c"},
	} {
		for i, arg := range args {
			switch {
			case filepath.Ext(arg) == ".c":
				args[i] = filepath.Join(dir, arg)
			case i > 0 && args[i-1] == "-o":
				args[i] = filepath.Join(bin, arg)
			}
		}
		if out, err := exec.Command("gcc", append([]string{"-O2", "-Wall"}, args...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("gcc %v: %w\n%s", args, err, out)
		}
	}
	return compileGo(filepath.Join(bin, EmptyGo.Name))
}

// compileGo builds a Go program that does nothing, as the supervisor is built.
func compileGo(program string) error {
	dir, err := os.MkdirTemp("", "sentinel-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// random is a small generator that gives the same numbers everywhere.
type random uint32

func (r *random) next(n int) int {
	*r = *r*1664525 + 1013904223
	return int(*r>>8) % n
}

// document makes a JSON text of about 1 MB.
func document() []byte {
	type user struct {
		ID      int      `json:"id"`
		Name    string   `json:"name"`
		Email   string   `json:"email"`
		Active  bool     `json:"active"`
		Balance float64  `json:"balance"`
		Tags    []string `json:"tags"`
	}
	r := random(1)
	tags := []string{"alpha", "beta", "gamma", "delta", "ünïcode", "e\"scape"}
	users := make([]user, 6000)
	for i := range users {
		name := fmt.Sprintf("user%05d", r.next(100000))
		users[i] = user{i, name, name + "@example.org", r.next(2) == 0, float64(r.next(1e6)) / 100,
			[]string{tags[r.next(len(tags))], tags[r.next(len(tags))]}}
	}
	text, err := json.Marshal(map[string]any{"users": users, "version": 1})
	if err != nil {
		panic(err) // plain data of ours
	}
	return text
}

// picture makes a bitmap of overlapping rectangles with some noise.
func picture(width, height int) []byte {
	size := 54 + width*height*3
	b := make([]byte, size)
	copy(b, "BM")
	binary.LittleEndian.PutUint32(b[2:], uint32(size))
	binary.LittleEndian.PutUint32(b[10:], 54)
	binary.LittleEndian.PutUint32(b[14:], 40)
	binary.LittleEndian.PutUint32(b[18:], uint32(width))
	binary.LittleEndian.PutUint32(b[22:], uint32(height))
	binary.LittleEndian.PutUint16(b[26:], 1)
	binary.LittleEndian.PutUint16(b[28:], 24)
	pixels := b[54:]
	r := random(7)
	for range 60 {
		x, y, w, h := r.next(width), r.next(height), 10+r.next(width/3), 10+r.next(height/3)
		colour := [3]byte{byte(r.next(256)), byte(r.next(256)), byte(r.next(256))}
		for j := y; j < min(y+h, height); j++ {
			for i := x; i < min(x+w, width); i++ {
				copy(pixels[(j*width+i)*3:], colour[:])
			}
		}
	}
	for i := range pixels {
		pixels[i] ^= byte(r.next(4))
	}
	return b
}
