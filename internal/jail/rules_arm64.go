package jail

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// archRules are calls that only arm64 has.
func archRules() []rule { return nil }
