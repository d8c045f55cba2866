// Package linux holds the Linux system-call ABI: numbers, flags, structure
// layouts and error numbers. It imports nothing, so that every layer can
// speak it.
//
// Constants come from the kernel's headers by way of golang.org/x/sys/unix
// (tools/abigen); structures are written by hand with their layout checked by
// a test against the compiler's.
package linux
