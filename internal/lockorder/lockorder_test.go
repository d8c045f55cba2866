package lockorder

import (
	"strings"
	"sync"
	"testing"
)

type (
	outer struct{}
	inner struct{}
	other struct{}
)

func (outer) ID() int { return 0 }
func (inner) ID() int { return 1 }
func (other) ID() int { return 2 }

func declare(t *testing.T) {
	before := declared
	declared = Order{Names: []string{"outer", "inner", "other"}, After: [][]int{{1}, {1}, nil}}
	t.Cleanup(func() { declared = before })
}

// complaint runs do in a goroutine of its own and returns what it panics with.
func complaint(do func()) (what string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				what = r.(string)
			}
			locks, key, unlock := part() // the next goroutine may get our number
			delete(*locks, key)
			unlock()
		}()
		do()
	}()
	<-done
	return what
}

func TestOrder(t *testing.T) {
	declare(t)
	for name, test := range map[string]struct {
		do   func()
		want string // "" if it is right
	}{
		"in order": {func() {
			var a Mutex[outer]
			var b RWMutex[inner]
			a.Lock()
			b.RLock()
			a.Unlock()
			b.RUnlock()
		}, ""},
		"inversion": {func() {
			var a Mutex[outer]
			var b Mutex[inner]
			b.Lock()
			a.Lock()
		}, "outer is taken while inner is held, against the order"},
		"inversion by a reader": {func() {
			var a RWMutex[outer]
			var b RWMutex[inner]
			b.RLock()
			a.RLock()
		}, "outer is taken while inner is held, against the order"},
		"unknown": {func() {
			var a Mutex[outer]
			var b Mutex[other]
			a.Lock()
			b.Lock()
		}, "other is taken while outer is held, and no package comment gives them"},
		"two of a class": {func() {
			var a, b Mutex[outer]
			a.Lock()
			b.Lock()
		}, "which of two comes first"},
		"two of a class, declared": {func() {
			var a, b Mutex[inner]
			a.Lock()
			b.Lock()
			a.Unlock()
			b.Unlock()
		}, ""},
		"the same twice": {func() {
			var a RWMutex[inner]
			a.RLock()
			a.RLock()
		}, "waits for ever"},
		"tried": {func() {
			var a Mutex[outer]
			var b Mutex[inner]
			b.Lock()
			if a.TryLock() {
				a.Unlock()
			}
			b.Unlock()
		}, ""},
		"tried, and held": {func() {
			var a, b Mutex[outer]
			if a.TryLock() {
				b.Lock()
			}
		}, "which of two comes first"},
		"released before": {func() {
			var a Mutex[outer]
			var b Mutex[inner]
			a.Lock()
			b.Lock()
			a.Unlock()
			b.Unlock()
			a.Lock()
			b.Lock()
			a.Unlock()
			b.Unlock()
		}, ""},
		"a stranger's release": {func() {
			var a Mutex[outer]
			a.Unlock()
		}, "has not taken it"},
	} {
		t.Run(name, func(t *testing.T) {
			got := complaint(test.do)
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestBothStacks: a report says where the lock that is held was taken.
func TestBothStacks(t *testing.T) {
	declare(t)
	got := complaint(func() {
		var a Mutex[outer]
		var b Mutex[inner]
		takeInner(&b)
		a.Lock()
	})
	if !strings.Contains(got, "takeInner") {
		t.Errorf("no word of takeInner: %s", got)
	}
}

//go:noinline
func takeInner(b *Mutex[inner]) { b.Lock() }

// TestCond: who waits for a condition does not hold the lock, and has it after.
func TestCond(t *testing.T) {
	declare(t)
	var mu Mutex[inner]
	cond, ready := sync.NewCond(&mu), false
	got := complaint(func() {
		go func() {
			mu.Lock()
			ready = true
			mu.Unlock()
			cond.Broadcast()
		}()
		mu.Lock()
		for !ready {
			cond.Wait()
		}
		mu.Unlock()
	})
	if got != "" {
		t.Error(got)
	}
}
