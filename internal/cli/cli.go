// Package cli is the command line: one file per command, help beside code.
// Commands return errors and never exit.
package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"sentinel/internal/host"
	"sentinel/internal/sandbox"
)

// command is one of sentinel's commands.
type command struct {
	name    string
	usage   string // what follows "sentinel "
	summary string
	text    string // the page's body before and after the options
	after   string
	flags   func(o *options) []flag
	run     func(o *options, args []string) (int, error)
}

// commands returns the commands in the order of the help text. It is a
// function so that nothing is made at start.
func commands() []*command {
	return []*command{doCommand(), runCommand(), versionCommand(), helpCommand()}
}

func find(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}

// usageError is a mistake on the command line.
type usageError struct {
	cmd string
	msg string
}

func (e *usageError) Error() string {
	if e.cmd == "" {
		return e.msg + " (try: sentinel help)"
	}
	return e.msg + " (try: sentinel help " + e.cmd + ")"
}

// Main runs the command that args name and returns the exit code.
func Main(args []string, version string) int {
	start := sandbox.Begin()
	host.GrowStack()
	host.CalmMonitor()
	host.CalmCollector()
	code, err := dispatch(args, &options{version: version, stdout: os.Stdout, sandbox: sandbox.Config{Start: start}})
	if err == nil {
		return code
	}
	fmt.Fprintln(os.Stderr, "sentinel: "+oneLine(err.Error()))
	var fail *sandbox.Error
	if errors.As(err, &fail) {
		return fail.Code
	}
	return sandbox.ExitFailure
}

func dispatch(args []string, o *options) (int, error) {
	if len(args) == 0 {
		return 0, &usageError{msg: "no command given"}
	}
	name := args[0]
	switch name {
	case "-h", "--help":
		name = "help"
	case "-v", "--version":
		name = "version"
	}
	c := find(name)
	if c == nil {
		what := "command"
		if strings.HasPrefix(name, "-") {
			what = "flag"
		}
		return 0, &usageError{msg: fmt.Sprintf("unknown %s %q", what, name)}
	}
	var flags []flag
	if c.flags != nil {
		flags = c.flags(o)
	}
	rest, help, err := parseFlags(c.name, flags, args[1:])
	if err != nil {
		return 0, err
	}
	if help {
		return 0, printHelp(o.stdout, c)
	}
	return c.run(o, rest)
}

// oneLine keeps a message on one line of the terminal, whatever names it
// quotes.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

func versionCommand() *command {
	return &command{
		name: "version", usage: "version", summary: "print the version",
		text: "Prints the version of Sentinel and of the OCI runtime specification that it follows.",
		run: func(o *options, args []string) (int, error) {
			if len(args) > 0 {
				return 0, &usageError{"version", "version takes no arguments"}
			}
			_, err := fmt.Fprintf(o.stdout, "sentinel %s\nspec: 1.2.1\n", o.version)
			return 0, err
		},
	}
}

func helpCommand() *command {
	return &command{
		name: "help", usage: "help [COMMAND]", summary: "explain a command",
		text: "Prints what COMMAND does and its options, or the list of commands.",
		run: func(o *options, args []string) (int, error) {
			switch len(args) {
			case 0:
				return 0, printCommands(o.stdout)
			case 1:
				if c := find(args[0]); c != nil {
					return 0, printHelp(o.stdout, c)
				}
				return 0, &usageError{msg: fmt.Sprintf("unknown command %q", args[0])}
			}
			return 0, &usageError{"help", "help takes one command"}
		},
	}
}

func printCommands(w io.Writer) error {
	var b strings.Builder
	b.WriteString("Sentinel runs programs in a userspace kernel: they see the host's files read-only,\ntheir changes stay in memory, and no system call of theirs reaches the host.\n\nusage: sentinel COMMAND [OPTION]... [ARGUMENT]...\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-10s %s\n", c.name, c.summary)
	}
	b.WriteString("\n\"sentinel help COMMAND\" explains one.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func printHelp(w io.Writer, c *command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "NAME\n    sentinel %s - %s\n\nSYNOPSIS\n    sentinel %s\n\nDESCRIPTION\n", c.name, c.summary, c.usage)
	indent(&b, c.text, 4)
	if c.flags != nil {
		b.WriteString("\nOPTIONS\n")
		for _, f := range c.flags(&options{}) {
			name := "--" + f.name
			switch {
			case f.arg == "":
			case f.optional:
				name += "[=" + f.arg + "]"
			default:
				name += " " + f.arg
			}
			fmt.Fprintf(&b, "    %s\n", name)
			indent(&b, f.help, 8)
		}
	}
	if c.after != "" {
		b.WriteString("\n" + c.after)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func indent(b *strings.Builder, text string, n int) {
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		if line != "" {
			b.WriteString(strings.Repeat(" ", n))
		}
		b.WriteString(line + "\n")
	}
}
