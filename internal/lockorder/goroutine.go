package lockorder

// goroutine returns a number that no other goroutine has while this one lives.
func goroutine() uintptr
