package host

import "runtime/debug"

// garbagePercent is how much more than what lives the heap may hold before the
// garbage collector comes, and in parts of 4 MiB what a small heap may. Each time
// takes CPUs that the guest could use, which tells where processes come and go;
// fresh memory costs page faults.
const garbagePercent = 200

// CalmCollector lets the garbage collector come less often. GOGC in the
// environment is meant for the guest.
func CalmCollector() { debug.SetGCPercent(garbagePercent) }
