package host

// GrowStack gives the goroutine a stack of 16 KiB, which the start of a sandbox
// and most calls of a guest need. The runtime grows a stack by copying it to one
// of twice the size, for which it looks up all functions on it: in tables that
// are as large as the code, and of which the host maps 64 KiB around each page
// that is read. Once, while there are few functions, is faster and smaller.
func GrowStack() { roomy(false) }

// roomy has the room made by being called, and leaves it untouched unless told
// otherwise.
//
//go:noinline
func roomy(touch bool) byte {
	if !touch {
		return 0
	}
	var room [12 << 10]byte
	for i := range room {
		room[i] = byte(i)
	}
	return room[len(room)-1]
}
