package linux

// RESOLVE_CACHED of openat2(2), which the generator does not know.
const RESOLVE_CACHED = 0x20
