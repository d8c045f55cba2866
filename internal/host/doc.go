// Package host holds thin wrappers of the host calls that the supervisor
// makes. Together with the jail and the platforms it is the only importer of
// golang.org/x/sys/unix. Errors are bare linux.Errno values; EINTR is retried.
//
// Lock order:
//
//	FDCache.mu, InoMap.mu, Threads.mu, narrowed.mu
//
// All are leaves. No call to the host but close is made with FDCache.mu held, and
// that seldom.
package host
