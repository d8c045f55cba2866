package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// starting is held while a process starts, and for good once the benchmark is
// interrupted: nothing may start behind the back of what ends everything.
var starting sync.Mutex

// endOnSignal ends what runs, and then this process, when it is told to end.
func endOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		caught := <-signals
		starting.Lock()
		if err := killDescendants(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		fmt.Fprintln(os.Stderr, "bench:", caught)
		os.Exit(1)
	}()
}

// wait waits for the process itself, not for orphans that it left to us.
func wait(pid int) (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			return status, err
		}
	}
}

// reapOrphans collects what runtimes left to us as the subreaper.
func reapOrphans() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if pid <= 0 || err != nil {
			return
		}
	}
}

// lingering is how long a runtime may leave processes behind that end by themselves.
const lingering = 5 * time.Second

// reapAll collects all that is left, and ends what does not end by itself.
func reapAll() error {
	for begin := time.Now(); time.Since(begin) < lingering; time.Sleep(time.Millisecond) {
		reapOrphans()
		if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); errors.Is(err, syscall.ECHILD) {
			return nil
		}
	}
	return killDescendants()
}

// descendants lists our living descendants.
func descendants() ([]int, error) {
	parents := map[int]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if fields, err := statFields(pid); err == nil && fields[0] != "Z" {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	var list []int
	for pid := range parents {
		for ancestor := parents[pid]; ancestor > 1; ancestor = parents[ancestor] {
			if ancestor == os.Getpid() {
				list = append(list, pid)
				break
			}
		}
	}
	return list, nil
}

// statFields gives what follows the name in /proc/PID/stat, the state first.
func statFields(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return nil, fmt.Errorf("/proc/%d/stat is %q", pid, text)
	}
	return fields, nil
}

// killDescendants ends all that we started and what became of it.
func killDescendants() error {
	for range 200 {
		list, err := descendants()
		if err != nil || len(list) == 0 {
			reapOrphans()
			return err
		}
		for _, pid := range list {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(50 * time.Millisecond)
		reapOrphans()
	}
	return errors.New("some processes cannot be ended")
}

// descendantsPSS sums the proportional set size of all our descendants, in KiB.
func descendantsPSS() (int, error) {
	list, err := descendants()
	if err != nil {
		return 0, err
	}
	total, processes := 0, 0
	for _, pid := range list {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Pss:" {
				kb, _ := strconv.Atoi(fields[1])
				total += kb
				processes++
			}
		}
	}
	if processes == 0 {
		return 0, errors.New("no process of it lives")
	}
	return total, nil
}

// descendantsCPU sums the processor time that all our descendants have used: in
// ticks, as top and accounting show it, and exactly.
func descendantsCPU() (ticks int, exact time.Duration, err error) {
	list, err := descendants()
	if err != nil {
		return 0, 0, err
	}
	for _, pid := range list {
		fields, err := statFields(pid)
		if err != nil {
			return 0, 0, err
		}
		for _, field := range fields[11:13] { // utime, stime
			n, _ := strconv.Atoi(field)
			ticks += n
		}
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil {
			return 0, 0, err
		}
		if len(threads) == 0 {
			return 0, 0, fmt.Errorf("process %d ended, or this kernel has no schedstat", pid)
		}
		for _, name := range threads {
			text, err := os.ReadFile(name)
			if err != nil {
				return 0, 0, err
			}
			var ns int64
			if _, err := fmt.Sscan(string(text), &ns); err != nil {
				return 0, 0, err
			}
			exact += time.Duration(ns)
		}
	}
	return ticks, exact, nil
}
