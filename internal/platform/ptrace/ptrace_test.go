package ptrace

import (
	"testing"

	"sentinel/internal/platform"
	"sentinel/internal/platform/platformtest"
)

func TestConformance(t *testing.T) {
	platformtest.Run(t, func(t *testing.T) platform.Platform {
		p, err := New()
		if err != nil {
			t.Fatal(err)
		}
		return p
	})
}

// BenchmarkSyscall is one getppid from stop to stop.
func BenchmarkSyscall(b *testing.B) { platformtest.BenchmarkSyscall(b, mustNew(b)) }

func mustNew(b *testing.B) platform.Platform {
	p, err := New()
	if err != nil {
		b.Fatal(err)
	}
	return p
}
