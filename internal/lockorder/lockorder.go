// Package lockorder checks the order of locks while a program runs. Nothing of
// the product imports it. tools/lockorder builds the kernel with each of its
// mutexes replaced by one of this package, and with the order that the package
// comments declare as the table here.
//
// Before a goroutine takes a lock, the checker looks at each lock that the
// goroutine holds. It panics unless the order says that the new one comes after
// it; two locks of one class need that said, too. So one run through a wrong
// path is enough, and nothing has to deadlock for it.
package lockorder

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// A Class says which field a mutex is. tools/lockorder makes one for each.
type Class interface{ ID() int }

// An Order has the names of all classes, and for each the classes that may be
// taken while one of it is held.
type Order struct {
	Names []string
	After [][]int
}

// declared is the order that holds, which tools/lockorder writes.
var declared Order

// Mutex is a sync.Mutex of a class.
type Mutex[C Class] struct {
	mu sync.Mutex
}

func (m *Mutex[C]) Lock() {
	check(class[C](), m)
	m.mu.Lock()
	took(class[C](), m)
}

// TryLock cannot deadlock, so what is held before it does not matter.
func (m *Mutex[C]) TryLock() bool {
	if !m.mu.TryLock() {
		return false
	}
	took(class[C](), m)
	return true
}

func (m *Mutex[C]) Unlock() {
	released(m)
	m.mu.Unlock()
}

// RWMutex is a sync.RWMutex of a class. Who reads is checked like who writes,
// since a waiting writer makes readers wait, too.
type RWMutex[C Class] struct {
	mu sync.RWMutex
}

func (m *RWMutex[C]) Lock() {
	check(class[C](), m)
	m.mu.Lock()
	took(class[C](), m)
}

func (m *RWMutex[C]) Unlock() {
	released(m)
	m.mu.Unlock()
}

func (m *RWMutex[C]) RLock() {
	check(class[C](), m)
	m.mu.RLock()
	took(class[C](), m)
}

func (m *RWMutex[C]) RUnlock() {
	released(m)
	m.mu.RUnlock()
}

func class[C Class]() int {
	var c C
	return c.ID()
}

// holding is one lock that a goroutine has.
type holding struct {
	class int
	lock  any
	stack []uintptr
}

// held has what each goroutine holds, by goroutine, in parts so that goroutines
// seldom wait for each other. A goroutine that holds nothing has no entry: a new
// one may get its number when it has ended.
var held [64]struct {
	mu  sync.Mutex
	all map[uintptr][]holding
}

// part returns where the goroutine's locks are, locked, and its key.
func part() (locks *map[uintptr][]holding, key uintptr, unlock func()) {
	key = goroutine()
	p := &held[key>>7%uintptr(len(held))]
	p.mu.Lock()
	if p.all == nil {
		p.all = map[uintptr][]holding{}
	}
	return &p.all, key, p.mu.Unlock
}

func check(class int, lock any) {
	locks, key, unlock := part()
	mine := slices.Clone((*locks)[key])
	unlock()
	for _, h := range mine {
		switch {
		case h.lock == lock:
			report(h, class, "by the same goroutine, which waits for ever")
		case slices.Contains(declared.After[h.class], class):
		case h.class == class:
			report(h, class, "and no package comment says which of two comes first")
		case slices.Contains(declared.After[class], h.class):
			report(h, class, "against the order of the package comments")
		default:
			report(h, class, "and no package comment gives them an order")
		}
	}
}

func report(h holding, class int, why string) {
	var where strings.Builder
	frames := runtime.CallersFrames(h.stack)
	for {
		f, more := frames.Next()
		fmt.Fprintf(&where, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		if !more {
			break
		}
	}
	panic(fmt.Sprintf("lock order: %s is taken while %s is held, %s\n\n%s was taken here:\n%s\n%s is taken here:\n",
		declared.Names[class], declared.Names[h.class], why, declared.Names[h.class], where.String(), declared.Names[class]))
}

func took(class int, lock any) {
	stack := make([]uintptr, 24)
	stack = stack[:runtime.Callers(3, stack)]
	locks, key, unlock := part()
	defer unlock()
	(*locks)[key] = append((*locks)[key], holding{class, lock, stack})
}

func released(lock any) {
	locks, key, unlock := part()
	defer unlock()
	mine := (*locks)[key]
	at := slices.IndexFunc(mine, func(h holding) bool { return h.lock == lock })
	switch {
	case at < 0:
		panic("lock order: a lock is released by a goroutine that has not taken it")
	case len(mine) == 1:
		delete(*locks, key)
	default:
		(*locks)[key] = slices.Delete(mine, at, at+1)
	}
}
