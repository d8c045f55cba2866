package jail

import _ "unsafe" // for go:linkname

// procPin keeps the calling goroutine on its OS thread, without preemption,
// until procUnpin. It is the runtime's, which lets others use it.
//
// SAFETY: between the two nothing blocks.
//
//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()
