package cli

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sentinel/internal/oci"
	"sentinel/internal/sandbox"
)

func doCommand() *command {
	return &command{
		name: "do", usage: "do [OPTION]... [--] COMMAND [ARGUMENT]...",
		summary: "run a command in a sandbox over the host's file system",
		text: `Runs COMMAND under a kernel of its own, in the current directory, as the current
user, with the caller's environment and standard streams. It sees the host's
files; what it changes stays in memory and is gone when it ends. Processes,
users, memory limits and, with --network=none, the network are its own.

Options end at COMMAND.`,
		after: `EXIT STATUS
    That of COMMAND, or 128+N if signal N killed it.
    124  the time given by --timeout was up
    125  Sentinel itself failed
    126  COMMAND was found but cannot be executed
    127  COMMAND was not found

EXAMPLES
    sentinel do -- python3 script.py
    sentinel do --network=none --memory 256m --timeout 10s -- ./untrusted
    sentinel do --bind ./out:/out --cwd /out -- make -f /src/Makefile
    sentinel do --strace=trace.txt -- ls -l
`,
		flags: func(o *options) []flag {
			return append([]flag{
				{name: "env", arg: "NAME=VALUE", help: "set a variable of COMMAND's environment. NAME alone passes on the\ncaller's, which is of use with --clear-env. May be repeated.", set: func(v string) error {
					if name, _, _ := strings.Cut(v, "="); name == "" {
						return fmt.Errorf("%q has no name", v)
					}
					o.env = append(o.env, v)
					return nil
				}},
				{name: "clear-env", help: "start with an empty environment.", set: func(string) error { o.clearEnv = true; return nil }},
				{name: "cwd", arg: "DIR", help: "the current directory of COMMAND (default: the caller's, or / with --root).", set: func(v string) error {
					if v == "" {
						return fmt.Errorf("empty")
					}
					o.cwd = v
					return nil
				}},
				{name: "user", arg: "USER[:GROUP]", help: "run COMMAND as USER, a name of the root's /etc/passwd or a number\n(default: the current user, or root with --root).", set: func(v string) error {
					if v == "" {
						return fmt.Errorf("empty")
					}
					o.user = v
					return nil
				}},
				{name: "root", arg: "DIR", help: "use DIR as root file system instead of the host's.", set: func(v string) error {
					root, err := absolute(v)
					o.sandbox.Root = root
					return err
				}},
			}, commonFlags(o)...)
		},
		run: runDo,
	}
}

func runDo(o *options, args []string) (int, error) {
	c := &o.sandbox
	if len(args) == 0 {
		return 0, &usageError{"do", "no command given"}
	}
	c.Args = args
	other := c.Root != ""
	if !other {
		c.Root = "/"
	}
	switch {
	case o.cwd != "":
		c.Cwd = o.cwd
		if !other {
			dir, err := absolute(o.cwd)
			if err != nil {
				return 0, err
			}
			c.Cwd = dir
		}
	case other:
		c.Cwd = "/"
	default:
		dir, err := os.Getwd()
		if err != nil {
			return 0, fmt.Errorf("current directory: %w", err)
		}
		c.Cwd = dir
	}
	c.User = o.user
	if c.User == "" {
		if other {
			c.User = "0:0"
		} else {
			c.CallerUser = true
		}
	}
	if !o.clearEnv {
		c.Env = os.Environ()
	}
	if c.User != "" {
		// The user's own home, unless --env says otherwise.
		c.Env = slices.DeleteFunc(c.Env, func(kv string) bool { return strings.HasPrefix(kv, "HOME=") })
	}
	for _, kv := range o.env {
		c.Env = setEnv(c.Env, kv)
	}
	return start(o)
}

// setEnv puts NAME=VALUE, or the caller's value of NAME, into an environment.
func setEnv(env []string, kv string) []string {
	name, _, has := strings.Cut(kv, "=")
	if !has {
		v, ok := os.LookupEnv(name)
		if !ok {
			return env
		}
		kv = name + "=" + v
	}
	for i, old := range env {
		if strings.HasPrefix(old, name+"=") {
			env[i] = kv
			return env
		}
	}
	return append(env, kv)
}

// start opens the files that the flags name and runs the sandbox.
func start(o *options) (int, error) {
	c := &o.sandbox
	if c.Platform == "" {
		c.Platform = sandbox.Platforms[0]
	}
	c.Log = slog.New(slog.DiscardHandler)
	if o.log != "" {
		f, err := os.OpenFile(o.log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			return 0, fmt.Errorf("log: %w", err)
		}
		defer f.Close()
		// UTC: the time zone's file may be out of reach by then.
		ho := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				a.Value = slog.StringValue(a.Value.Time().UTC().Format(time.RFC3339Nano))
			}
			return a
		}}
		if o.logFormat == "json" {
			c.Log = slog.New(slog.NewJSONHandler(f, ho))
		} else {
			c.Log = slog.New(slog.NewTextHandler(f, ho))
		}
	}
	for _, out := range []struct {
		name *string
		to   **os.File
	}{{o.strace, &c.Strace}, {o.stats, &c.Stats}} {
		switch {
		case out.name == nil:
		case *out.name == "":
			*out.to = os.Stderr
		default:
			f, err := os.Create(*out.name)
			if err != nil {
				return 0, err
			}
			defer f.Close()
			*out.to = f
		}
	}
	return sandbox.Run(c)
}

func absolute(path string) (string, error) {
	if path == "" {
		return "", fmt.Errorf("empty path")
	}
	return filepath.Abs(path)
}

func checkDestination(m *oci.Mount) error {
	if !filepath.IsAbs(m.Destination) {
		return fmt.Errorf("%q is not an absolute path", m.Destination)
	}
	m.Destination = filepath.Clean(m.Destination)
	return nil
}
