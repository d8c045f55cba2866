package waiter

import "testing"

// TestWake: Wake comes when the queue is unlocked, and once for each entry.
func TestWake(t *testing.T) {
	var q Queue
	var calls [6]int
	var entries [6]Entry
	for i := range entries {
		e := &entries[i]
		e.Wake = func() {
			calls[i]++
			q.Unregister(e)
		}
		q.Register(e, Readable)
	}
	q.Notify(Writable)
	if calls != [6]int{} {
		t.Fatalf("woken by what they do not wait for: %v", calls)
	}
	q.Notify(Readable)
	q.Notify(Readable)
	if calls != [6]int{1, 1, 1, 1, 1, 1} {
		t.Errorf("wake-ups: %v", calls)
	}
	if !q.Empty() {
		t.Error("entries are left")
	}
}

// TestWakeExclusive: of the exclusive ones the first is woken.
func TestWakeExclusive(t *testing.T) {
	var q Queue
	woken := ""
	for _, name := range []string{"a", "b"} {
		q.RegisterExclusive(&Entry{Wake: func() { woken += name }}, Readable)
	}
	q.Register(&Entry{Notify: func(Mask) { woken += "c" }}, Readable)
	q.Notify(Readable)
	if woken != "ca" {
		t.Errorf("woken: %q", woken)
	}
}
