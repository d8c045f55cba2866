//go:build !race

// The race detector brings cgo, with which Go cannot make a call on all threads
// (syscall.AllThreadsSyscall), and the jail is that.

package jail

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"sentinel/internal/host"
)

// The tests run in a child of this binary, which enters the jail and prints
// what it finds.
func TestMain(m *testing.M) {
	if dir := os.Getenv("JAIL_TEST_DIR"); dir != "" {
		inside(dir, os.Getenv("JAIL_TEST_ACTION") == "kill")
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func inside(dir string, kill bool) {
	if os.Getenv("JAIL_TEST_ACTION") == "locked" {
		locked := make(chan bool)
		go func() {
			runtime.LockOSThread()
			locked <- true
			select {}
		}()
		<-locked
	}
	open := func(name string) int {
		fd, err := unix.Open(filepath.Join(dir, name), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			panic(err)
		}
		return fd
	}
	c := &Config{
		Read: []int{open("ro")}, Write: []int{open("rw")}, Spawn: -1, Action: Kill,
		Log: slog.New(slog.NewTextHandler(os.Stdout, nil)),
	}
	if err := Enter(c); err != nil {
		panic(err)
	}
	runtime.UnlockOSThread()
	say := func(what string, err error) { fmt.Printf("%s: %v\n", what, err) }
	try := func(name string, flags int) {
		fd, err := unix.Openat(unix.AT_FDCWD, filepath.Join(dir, name), flags, 0o600)
		if err == nil {
			unix.Close(fd)
		}
		say(fmt.Sprintf("%s %#x", name, flags), err)
	}
	try("ro/file", unix.O_RDONLY)
	try("ro/file", unix.O_WRONLY)
	try("rw/new", unix.O_WRONLY|unix.O_CREAT)
	try("out", unix.O_RDONLY)
	// All of it on other threads, new ones too.
	for range 4 {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // never unlocked: each has a thread of its own
			_, err := unix.Openat(unix.AT_FDCWD, filepath.Join(dir, "out"), unix.O_RDONLY, 0)
			done <- err
		}()
		say("thread", <-done)
	}
	// Guests run on threads in the domain of this one, of which there are enough.
	var wait sync.WaitGroup
	fit := make(chan bool)
	for range 8 {
		wait.Add(1)
		host.OnThread(ThreadOK, func() {
			fit <- ThreadOK()
			wait.Wait() // keep it from the others
		})
	}
	n := 0
	for range 8 {
		if <-fit {
			n++
		}
		wait.Done()
	}
	fmt.Println("fit:", n)
	st, _ := os.ReadFile("/proc/self/status")
	fmt.Println("status:", len(st))
	var data [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	fmt.Println("capget allowed:", kill)
	if kill {
		unix.Capget(&hdr, &data[0]) // not on the list
		fmt.Println("survived")
	}
}

func TestEnter(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"ro", "rw"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"ro/file", "out"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	child := func(action string) (string, error) {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "JAIL_TEST_DIR="+dir, "JAIL_TEST_ACTION="+action)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := child("")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	denied := "permission denied"
	if landlockVersion() == 0 {
		denied = "<nil>" // the other layers are tested by TestFilter
	}
	for _, want := range []string{
		"ro/file 0x0: <nil>", "ro/file 0x1: " + denied, "rw/new 0x41: <nil>", "out 0x0: " + denied,
		"thread: " + denied, "fit: 8",
	} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	out, err = child("kill")
	if err == nil || !strings.Contains(err.Error(), "bad system call") || strings.Contains(out, "survived") {
		t.Errorf("a call that is not on the list: %v\n%s", err, out)
	}
	// With a goroutine locked before, no thread is in the domain, unless all
	// are.
	const oneForAll = 8
	switch out, err = child("locked"); {
	case landlockVersion() >= oneForAll:
		if err != nil || !strings.Contains(out, "fit: 8\n") {
			t.Errorf("with a goroutine locked before: %v\n%s", err, out)
		}
	case err == nil || !strings.Contains(out, "no OS thread is fit: a goroutine was locked"):
		t.Errorf("with a goroutine locked before: %v\n%s", err, out)
	}
}
