package host

import (
	"runtime"
	"testing"
	"time"
)

// TestSliceLost: slices that are lost in a row end the yielding, for a while.
func TestSliceLost(t *testing.T) {
	if runtime.NumCPU() < 2 {
		if CanYield() {
			t.Error("yields on one CPU")
		}
		return
	}
	now := time.Now()
	for i := range manyLost - 1 {
		SliceLost(now.Add(time.Duration(i) * 2 * soon))
	}
	if !CanYield() {
		t.Fatal("rare losses count")
	}
	now = now.Add(time.Hour)
	for range manyLost + 2 {
		SliceLost(now)
	}
	if CanYield() {
		t.Fatal("losses do not count")
	}
	yielding.mu.Lock()
	pause := yielding.pause
	yielding.mu.Unlock()
	if pause != minPause {
		t.Errorf("pause of %v", pause)
	}
	for !CanYield() {
		time.Sleep(time.Millisecond)
	}
	SliceLost(time.Now())
	if CanYield() {
		t.Error("the first loss after a pause is forgiven")
	}
	yielding.mu.Lock()
	pause = yielding.pause
	yielding.mu.Unlock()
	if pause != 2*minPause {
		t.Errorf("second pause of %v", pause)
	}
}
