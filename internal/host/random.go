package host

import "golang.org/x/sys/unix"

// Random fills b from the host's random generator (getrandom(2)).
func Random(b []byte) error {
	for len(b) > 0 {
		n, err := unix.Getrandom(b, 0)
		if err != nil && err != unix.EINTR {
			return errno(err)
		}
		b = b[max(n, 0):]
	}
	return nil
}
