package jail

import (
	"golang.org/x/sys/unix"
)

// heldCaps returns the effective capabilities of the process.
func heldCaps() uint64 {
	var data [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if unix.Capget(&hdr, &data[0]) != nil {
		return 0
	}
	return uint64(data[0].Effective) | uint64(data[1].Effective)<<32
}

// keepCaps returns the capabilities that the supervisor goes on to need, of
// those that it has: to read what the guest's root may read; to act for the
// guest's users on volumes; to bind low ports on the host's network.
func keepCaps(c *Config) uint64 {
	keep := uint64(1) << unix.CAP_DAC_READ_SEARCH
	if len(c.Write) > 0 {
		for _, n := range []uint{unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID} {
			keep |= 1 << n
		}
	}
	if c.HostNetwork {
		keep |= 1 << unix.CAP_NET_BIND_SERVICE
	}
	return keep
}
