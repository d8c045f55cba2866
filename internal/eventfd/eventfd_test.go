package eventfd

import (
	"encoding/binary"
	"math"
	"sync"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

func add(f *vfs.File, v uint64) error {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], v)
	_, err := f.Ops.Write(nil, f, b[:], 0)
	return err
}

func take(f *vfs.File) (uint64, error) {
	var b [8]byte
	_, err := f.Ops.Read(nil, f, b[:], 0)
	return binary.NativeEndian.Uint64(b[:]), err
}

func TestCounter(t *testing.T) {
	f := New(3, 0)
	if v, err := take(f); v != 3 || err != nil {
		t.Fatal(v, err)
	}
	if _, err := take(f); err != linux.EAGAIN {
		t.Fatal(err)
	}
	if err := add(f, math.MaxUint64); err != linux.EINVAL {
		t.Fatal(err)
	}
	if err := add(f, math.MaxUint64-1); err != nil {
		t.Fatal(err)
	}
	if err := add(f, 1); err != linux.EAGAIN {
		t.Fatal(err)
	}
	if m := f.Readiness(waiter.In | waiter.Out); m != waiter.In {
		t.Fatalf("%#x", m)
	}
	Of(f).Signal()
	if m := f.Readiness(waiter.In | waiter.Out); m != waiter.In|waiter.Err {
		t.Fatalf("%#x", m)
	}
	if _, err := f.Ops.Read(nil, f, make([]byte, 7), 0); err != linux.EINVAL {
		t.Fatal(err)
	}
}

func TestSemaphore(t *testing.T) {
	f := New(2, linux.EFD_SEMAPHORE)
	for range 2 {
		if v, err := take(f); v != 1 || err != nil {
			t.Fatal(v, err)
		}
	}
	if m := f.Readiness(waiter.In | waiter.Out); m != waiter.Out {
		t.Fatalf("%#x", m)
	}
}

func TestConcurrent(t *testing.T) {
	f := New(0, 0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if err := add(f, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	ch := make(chan struct{}, 1)
	e := waiter.NewChannelEntry(ch)
	f.EventRegister(e, waiter.In)
	defer f.EventUnregister(e)
	for sum := uint64(0); sum < 4000; {
		v, err := take(f)
		if err == linux.EAGAIN {
			<-ch
			continue
		}
		sum += v
	}
	wg.Wait()
}
