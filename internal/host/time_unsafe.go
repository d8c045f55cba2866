package host

import _ "unsafe" // for go:linkname

// nanotime is runtime.nanotime, which reads CLOCK_MONOTONIC through the vDSO.
//
// SAFETY: the runtime keeps this symbol and its signature for such use (see
// runtime/time_nofake.go); it takes and keeps no pointer.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64
