package trap

import (
	"sync/atomic"
	"testing"

	"sentinel/internal/platform"
)

func newTestPlatform(t *testing.T) *Platform {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Release)
	return p
}

// TestPingPong has two coroutines wake up each other.
func TestPingPong(t *testing.T) {
	p := newTestPlatform(t)
	const rounds = 10_000
	var turn atomic.Int32
	var sides [2]platform.Parker
	side := func(n int32) func(platform.Parker) {
		return func(me platform.Parker) {
			for range rounds {
				for turn.Load() != n {
					me.Park()
				}
				turn.Store(1 - n)
				sides[1-n].Unpark()
			}
		}
	}
	p.Do(func(first platform.Parker) {
		sides[0] = first
		ready := false
		p.Go(func(second platform.Parker) {
			sides[1] = second
			ready = true
			first.Unpark()
			side(1)(second)
		})
		for !ready {
			first.Park() // what Go has begun runs here, on this dispatcher
		}
		side(0)(first)
	})
}

// TestUnparkFirst: an Unpark that comes before the Park is not lost, from whatever
// goroutine.
func TestUnparkFirst(t *testing.T) {
	p := newTestPlatform(t)
	for range 2000 {
		p.Do(func(me platform.Parker) {
			var done atomic.Bool
			go func() {
				done.Store(true)
				me.Unpark()
			}()
			for !done.Load() {
				me.Park()
			}
		})
	}
}

// TestHold: while a function keeps its dispatcher asleep, others run.
func TestHold(t *testing.T) {
	p := newTestPlatform(t)
	p.Do(func(me platform.Parker) {
		ran := make(chan struct{})
		p.Go(func(platform.Parker) { close(ran) })
		me.(*coroutine).d.hold()
		<-ran // for ever, if nobody takes over
	})
}
