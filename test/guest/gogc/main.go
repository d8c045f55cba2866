// Command gogc allocates from many goroutines and collects: page faults, madvise,
// futexes and thread creation under load.
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

type node struct {
	left, right *node
	_           [4]uint64
}

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

func (n *node) count() int {
	if n == nil {
		return 0
	}
	return 1 + n.left.count() + n.right.count()
}

func main() {
	debug.SetGCPercent(50)
	var wg sync.WaitGroup
	totals := make([]int, 32)
	for i := range totals {
		wg.Go(func() {
			for range 6 {
				totals[i] += tree(12).count()
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, t := range totals {
		sum += t
	}
	fmt.Println("nodes:", sum)

	blocks := map[int][]byte{}
	for i := range 200 {
		b := make([]byte, 256<<10)
		b[i] = byte(i)
		blocks[i] = b
		if i >= 50 {
			delete(blocks, i-50)
		}
	}
	debug.FreeOSMemory()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	fmt.Println("live:", len(blocks), "collected:", ms.NumGC > 3, "released:", ms.HeapReleased > 0)

	ch := make(chan int)
	for i := range 2000 {
		go func() { ch <- i }()
	}
	sum = 0
	for range 2000 {
		sum += <-ch
	}
	fmt.Println("sum:", sum)
	locked, end := make(chan bool), make(chan bool)
	for range 20 {
		go func() {
			runtime.LockOSThread()
			locked <- true
			<-end
		}()
	}
	for range 20 {
		<-locked
	}
	close(end)
	fmt.Println("threads: ok")
}
