// Command gohello prints what the Go runtime sees at start.
package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Println("hello from", runtime.GOOS, len(os.Args))
	if wd, err := os.Getwd(); err != nil || wd == "" {
		fmt.Println("no working directory:", err)
		os.Exit(1)
	}
	if e, err := os.Executable(); err != nil || e == "" {
		fmt.Println("no executable:", err)
		os.Exit(1)
	}
}
