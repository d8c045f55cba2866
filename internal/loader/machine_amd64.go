package loader

// machine is EM_X86_64.
const machine = 62

// Platform is AT_PLATFORM.
const Platform = "x86_64"
