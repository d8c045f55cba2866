// Command gosignals uses os/signal, timers, tickers, child processes and panics
// from faults: what a Go program needs of signals.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

func main() {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGUSR2)
	for range 10 {
		syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		if s := <-c; s != syscall.SIGUSR1 {
			fmt.Println("got", s)
			os.Exit(1)
		}
	}
	fmt.Println("notify: ok")

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	<-ctx.Done()
	stop()
	fmt.Println("context: ok")

	ticks := 0
	tk := time.NewTicker(5 * time.Millisecond)
	for range tk.C {
		if ticks++; ticks == 10 {
			tk.Stop()
			break
		}
	}
	select {
	case <-time.After(20 * time.Millisecond):
		fmt.Println("timers: ok")
	case <-make(chan int):
	}

	fault := func(f func()) (err any) {
		defer func() { err = recover() }()
		f()
		return nil
	}
	var p *int
	fmt.Println("nil:", fault(func() { *p = 1 }))
	zero := ticks - 10
	fmt.Println("divide:", fault(func() { fmt.Println(1 / zero) }))
	debug.SetPanicOnFault(true)

	out, err := exec.Command("/bin/sh", "-c", "echo child; exit 3").Output()
	fmt.Printf("child: %q %v\n", out, err)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	fmt.Println("killed:", exec.CommandContext(ctx, "/bin/sleep", "100").Run())

	sub := exec.Command("/bin/sh", "-c", "kill -INT $$; sleep 100")
	fmt.Println("interrupted:", sub.Run())

	// Preemption: a loop without calls must not stop the others.
	done := make(chan bool)
	go func() {
		for i := 0; ; i++ {
			if i < 0 {
				break
			}
		}
	}()
	go func() { time.Sleep(10 * time.Millisecond); done <- true }()
	<-done
	fmt.Println("preempted: ok")
}
