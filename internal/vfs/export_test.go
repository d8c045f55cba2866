package vfs

// KeepRecent sets how many dentries are kept, and forgets those there are.
func KeepRecent(n int) (restore func()) {
	old := maxRecent
	set := func(n int) {
		recent.mu.Lock()
		maxRecent = n
		for _, d := range recent.ring {
			d.slot = 0
		}
		recent.ring, recent.hand = nil, 0
		recent.mu.Unlock()
	}
	set(n)
	return func() { set(old) }
}
