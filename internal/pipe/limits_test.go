package pipe

import (
	"testing"

	"sentinel/internal/abi/linux"
)

func TestSoftLimit(t *testing.T) {
	var full Pipes
	full.slots.Add(softSlots)
	c, r, w := newPipeIn(t, &full, 0)
	write(t, c, w, 3*4096, 2*4096, nil)
	if _, err := Of(r).SetSize(c.Cred, 1<<16); err != linux.EPERM {
		t.Fatal(err)
	}
	r.DecRef()
	w.DecRef()
}
