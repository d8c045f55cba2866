// Package host holds thin wrappers of the host calls that the supervisor
// makes. Together with the jail and the platforms it is the only importer of
// golang.org/x/sys/unix. Errors are bare linux.Errno values; EINTR is retried.
package host
