package vfstest

import (
	"testing"

	"sentinel/internal/host"
)

// Changing returns n bytes that somebody else changes all the time, as a guest
// can change memory that it shares with the kernel. The other one has them at
// another address, so that the race detector, which looks for races of the code
// under test, does not object.
func Changing(t testing.TB, n int) []byte {
	t.Helper()
	fd, err := host.MemfdCreate("changing")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close(fd)
	if err := host.Truncate(fd, int64(n)); err != nil {
		t.Fatal(err)
	}
	mine, err := host.MapShared(fd, n)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := host.MapShared(fd, n)
	if err != nil {
		t.Fatal(err)
	}
	stop, done, begun := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for value := byte(1); ; value++ {
			for i := range theirs {
				theirs[i] = value
			}
			if value != 0 {
				continue
			}
			select {
			case <-stop:
				return
			case begun <- struct{}{}:
			default:
			}
		}
	}()
	<-begun
	t.Cleanup(func() {
		close(stop)
		<-done
		host.Unmap(mine)
		host.Unmap(theirs)
	})
	return mine
}
