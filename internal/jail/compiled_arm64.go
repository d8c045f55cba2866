package jail

import "golang.org/x/sys/unix"

// compiled is made for amd64 only so far: elsewhere the filter is built at
// start.
var compiled [0][]unix.SockFilter
