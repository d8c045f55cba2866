// Package syscalls holds the handlers of the guest's system calls, a file per
// family. A handler is a function sysXxx; tools/sysgen finds it and makes the
// table. Handlers validate flags, resolve objects, act, and copy out last.
//
// Lock order:
//
//	asyncFiles.mu > vfs.File.mu, waiter.Queue.mu
//	ipcState.mu
package syscalls
