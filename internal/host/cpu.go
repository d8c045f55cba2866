package host

import "os"

// CPUInfo returns the host's /proc/cpuinfo.
func CPUInfo() ([]byte, error) {
	b, err := os.ReadFile("/proc/cpuinfo")
	return b, err
}
