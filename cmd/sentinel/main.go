// Command sentinel runs programs in a userspace kernel. "sentinel help" tells
// more.
package main

import (
	"os"

	"sentinel/internal/cli"
)

// version is set by the linker.
var version = "devel"

func main() {
	os.Exit(cli.Main(os.Args[1:], version))
}
