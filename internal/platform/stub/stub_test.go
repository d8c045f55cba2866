package stub

import (
	"testing"

	"sentinel/internal/platform/platformtest"
)

// TestGenerated builds the stub anew.
func TestGenerated(t *testing.T) { platformtest.Rebuild(t, "gen.sh", elf) }
