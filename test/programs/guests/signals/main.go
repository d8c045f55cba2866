// Command signals sends itself signals, runs children and kills them.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		child()
		return
	}
	notes := make(chan os.Signal, 8)
	signal.Notify(notes, syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGWINCH)
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGWINCH} {
		syscall.Kill(os.Getpid(), s)
		fmt.Println("got", <-notes)
	}
	signal.Ignore(syscall.SIGUSR2)
	syscall.Kill(os.Getpid(), syscall.SIGUSR2)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	<-ctx.Done()
	stop()
	fmt.Println("context done")

	var out bytes.Buffer
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGABRT} {
		cmd := exec.Command(os.Args[0], "child")
		pipe, _ := cmd.StdoutPipe()
		cmd.Stderr = &out
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		pipe.Read(make([]byte, 16)) // it is ready
		cmd.Process.Signal(s)
		err := cmd.Wait()
		var exit *exec.ExitError
		fmt.Println(s, errors.As(err, &exit), err)
	}
	fmt.Println("trace of SIGABRT:", strings.Contains(out.String(), "SIGABRT: abort"))

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := exec.CommandContext(ctx, "sleep", "30").Run()
	fmt.Println("cancelled:", err)

	text, err := exec.Command("sh", "-c", "echo out; echo err >&2; exit 3").CombinedOutput()
	fmt.Printf("%q %v\n", text, err)
	_, err = exec.Command("/no/such/program").Output()
	fmt.Println(err)
}

func child() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT)
	fmt.Println("ready")
	<-c
	os.Exit(7)
}
