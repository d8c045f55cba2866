// Command goroutines keeps the Go scheduler and collector busy: channels, locks,
// timers, memory, preemption of endless loops, nil dereferences caught.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	runtime.GOMAXPROCS(4)
	work, results := make(chan int), make(chan int)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n := range work {
				results <- n * n
			}
		})
	}
	go func() {
		for n := range 1000 {
			work <- n
		}
		close(work)
		wg.Wait()
		close(results)
	}()
	sum := 0
	for r := range results {
		sum += r
	}
	fmt.Println("squares", sum)

	var mu sync.Mutex
	var ops atomic.Int64
	counter := 0
	for range 8 {
		wg.Go(func() {
			for range 5000 {
				mu.Lock()
				counter++
				mu.Unlock()
				ops.Add(1)
			}
		})
	}
	wg.Wait()
	fmt.Println("counter", counter, ops.Load())

	var keep [][]byte
	for i := range 200 {
		keep = append(keep, make([]byte, 64<<10))
		keep[i][i] = byte(i)
		if i%40 == 39 {
			keep = keep[i/2:]
			keep = append(make([][]byte, i/2+1), keep...)
			runtime.GC()
		}
	}
	debug.FreeOSMemory()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println("collected", stats.NumGC >= 5, len(keep) > 0)

	// A loop without calls can only be stopped by a signal.
	var stop atomic.Bool
	spun := make(chan int)
	for range 4 {
		go func() {
			n := 0
			for !stop.Load() {
				n++
			}
			spun <- min(n, 1)
		}()
	}
	time.Sleep(30 * time.Millisecond)
	runtime.GC()
	stop.Store(true)
	fmt.Println("spun", <-spun+<-spun+<-spun+<-spun)

	fmt.Println("fault:", fault())
	fmt.Println("divide:", divide(0))

	timer := time.NewTimer(time.Hour)
	fmt.Println("stopped", timer.Stop())
	ticks := 0
	for range time.Tick(time.Millisecond) {
		if ticks++; ticks == 20 {
			break
		}
	}
	fmt.Println("ticks", ticks)

	dir, err := os.MkdirTemp("", "goroutines")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := range 20 {
		wg.Go(func() {
			os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), make([]byte, i*1000), 0o600)
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(dir)
	fmt.Println("files", len(entries), err, os.RemoveAll(dir))
}

func fault() (err any) {
	defer func() { err = recover() }()
	var p *[4]int
	return p[2]
}

func divide(n int) (err any) {
	defer func() { err = recover() }()
	return 1 / n
}
