package host

import "runtime/debug"

// garbagePercent is how much more than what lives the heap may hold before the
// garbage collector comes, and in parts of 4 MiB what a small heap may. Each time
// takes milliseconds of CPUs that the guest could use, which a supervisor that
// starts a process every few milliseconds notices; fresh memory costs page faults.
const garbagePercent = 200

// CalmCollector lets the garbage collector come less often. GOGC in the
// environment is meant for the guest.
func CalmCollector() { debug.SetGCPercent(garbagePercent) }
