package trap

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// tscClock counts nanoseconds by the processor's time stamp counter, which the stub
// reads too.
type tscClock struct {
	begin uint64
	start time.Time
	scale atomic.Uint64 // nanoseconds in 2^32 ticks; 0 until known
}

// calibration is after how long the clock knows its own speed well enough.
const calibration = time.Millisecond

func newTSCClock() tscClock { return tscClock{begin: ticksNow(), start: time.Now()} }

// now returns the time since the clock was made in nanoseconds, 0 as long as it
// does not know.
func (c *tscClock) now() uint64 {
	ticks := ticksNow() - c.begin
	scale := c.scale.Load()
	if scale == 0 {
		since := time.Since(c.start)
		if since < calibration || ticks == 0 {
			return 0
		}
		hi, lo := bits.Mul64(uint64(since), 1<<32)
		if hi >= ticks {
			return 0
		}
		scale, _ = bits.Div64(hi, lo, ticks)
		c.scale.Store(max(scale, 1))
	}
	hi, lo := bits.Mul64(ticks, scale)
	return hi<<32 | lo>>32
}

// ticks converts nanoseconds.
func (c *tscClock) ticks(ns uint64) uint64 {
	scale := c.scale.Load()
	if scale == 0 {
		return 0
	}
	return (ns << 32) / scale
}
