package trap

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

// BenchmarkSyscall is one getppid from trap to trap.
func BenchmarkSyscall(b *testing.B) {
	p, err := New()
	if err != nil {
		b.Fatal(err)
	}
	platformtest.BenchmarkSyscall(b, p)
}
