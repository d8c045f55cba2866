package linux

// Rlimit64 is struct rlimit64 of prlimit64(2).
type Rlimit64 struct{ Cur, Max uint64 }

// RLIM64_INFINITY is no limit.
const RLIM64_INFINITY = ^uint64(0)
