// Package arch holds what depends on the instruction set: registers, signal
// frames, system-call restart. The rest of the kernel knows no register by
// name.
package arch
