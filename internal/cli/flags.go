package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"sentinel/internal/oci"
	"sentinel/internal/sandbox"
)

// flag is one option of a command, written --name=value or --name value.
type flag struct {
	name     string
	arg      string // what the value is called; "" if there is none
	optional bool   // the value may be left out, and follows only by =
	help     string
	set      func(v string) error
}

// parseFlags takes the options off args, up to the first argument that is none
// or "--". help tells that the user asked for the page.
func parseFlags(cmd string, flags []flag, args []string) (rest []string, help bool, err error) {
	for len(args) > 0 {
		a := args[0]
		if a == "--" {
			return args[1:], false, nil
		}
		if len(a) < 2 || a[0] != '-' {
			return args, false, nil
		}
		if a == "-h" || a == "--help" {
			return nil, true, nil
		}
		args = args[1:]
		name, val, has := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		var f *flag
		for i := range flags {
			if strings.HasPrefix(a, "--") && flags[i].name == name {
				f = &flags[i]
			}
		}
		switch {
		case f == nil:
			return nil, false, &usageError{cmd, fmt.Sprintf("unknown flag %q", a)}
		case f.arg == "" && has:
			return nil, false, &usageError{cmd, "--" + name + " takes no value"}
		case f.arg != "" && !has && !f.optional:
			if len(args) == 0 {
				return nil, false, &usageError{cmd, "--" + name + " needs a value"}
			}
			val, args = args[0], args[1:]
		}
		if err := f.set(val); err != nil {
			return nil, false, &usageError{cmd, fmt.Sprintf("--%s: %v", name, err)}
		}
	}
	return nil, false, nil
}

// options are what flags set.
type options struct {
	version string
	stdout  io.Writer

	sandbox   sandbox.Config
	env       []string // K=V to set, or K to pass on
	clearEnv  bool
	cwd       string
	user      string
	bundle    string
	strace    *string // nil: off; "": standard error
	stats     *string
	log       string
	logFormat string
}

// commonFlags are the flags of do and run.
func commonFlags(o *options) []flag {
	c := &o.sandbox
	return []flag{
		{name: "platform", arg: "NAME", help: "how guest code is run: trap (the default) or ptrace.", set: func(v string) error {
			if !slices.Contains(sandbox.Platforms, v) {
				return fmt.Errorf("no platform %q, only %s", v, strings.Join(sandbox.Platforms, " and "))
			}
			c.Platform = v
			return nil
		}},
		{name: "patch", arg: "on|off", help: "whether the trap platform makes hot system-call sites of a program jump\nto it without a trap (default: on).", set: func(v string) error {
			if v != "on" && v != "off" {
				return fmt.Errorf("--patch is on or off, not %q", v)
			}
			c.NoPatch = v == "off"
			return nil
		}},
		{name: "network", arg: "host|none", help: "the host's network, or only a loopback device of the sandbox's own\n(default: host).", set: func(v string) error {
			if v != "host" && v != "none" {
				return fmt.Errorf("%q is neither host nor none", v)
			}
			c.NoNetwork = v == "none"
			return nil
		}},
		{name: "loopback", arg: "direct|host", help: "with the host's network, who carries TCP connections between programs of\nthe sandbox over the loopback interface: the sandbox (the default), or the\nhost, whose tools then see them.", set: func(v string) error {
			if v != "direct" && v != "host" {
				return fmt.Errorf("%q is neither direct nor host", v)
			}
			c.HostLoopback = v == "host"
			return nil
		}},
		{name: "hostname", arg: "NAME", help: "the sandbox's host name (default: that of the bundle or the host).", set: func(v string) error {
			if v == "" || len(v) > 64 {
				return fmt.Errorf("want 1 to 64 characters")
			}
			c.Hostname = v
			return nil
		}},
		{name: "bind", arg: "SRC[:DST][:ro]", help: "show the host's SRC, a directory or file, at DST. Without ro the guest\nwrites through to it. May be repeated.", set: func(v string) error {
			m, err := parseBind(v)
			c.Mounts = append(c.Mounts, m)
			return err
		}},
		{name: "tmpfs", arg: "DST[:SIZE]", help: "an empty file system in memory at DST. May be repeated.", set: func(v string) error {
			m, err := parseTmpfs(v)
			c.Mounts = append(c.Mounts, m)
			return err
		}},
		{name: "overlay-size", arg: "SIZE", help: "how much the guest may write to its root, in memory\n(default: half of the memory limit or of the host's memory).", set: size(&c.OverlaySize)},
		{name: "memory", arg: "SIZE", help: "the most memory that the guest may have, as 64m or 1g. A process that goes\nbeyond is killed, as by the kernel's out-of-memory killer.", set: size(&c.Memory)},
		{name: "pids", arg: "N", help: "the most processes and threads at a time.", set: func(v string) error {
			n, err := strconv.ParseUint(v, 10, 31)
			if err != nil || n == 0 {
				return fmt.Errorf("%q is no number above 0", v)
			}
			c.PIDs = int(n)
			return nil
		}},
		{name: "timeout", arg: "TIME", help: "kill the sandbox after TIME (90s, 1.5m, 2h; seconds without a unit) and exit\nwith 124, as timeout(1) does.", set: func(v string) error {
			d, err := parseDuration(v)
			c.Timeout = d
			return err
		}},
		{name: "strace", arg: "FILE", optional: true, help: "print each system call as strace(1) does, to FILE or standard error.", set: func(v string) error {
			o.strace = &v
			return nil
		}},
		{name: "stats", arg: "FILE", optional: true, help: "at exit print calls by name with counts and times, peak memory, page\nfaults and the time of each stage from start to end, to FILE or standard error.", set: func(v string) error {
			o.stats = &v
			return nil
		}},
		{name: "log", arg: "FILE", help: "append Sentinel's own messages to FILE, such as refused system calls.", set: func(v string) error {
			o.log = v
			return nil
		}},
		{name: "log-format", arg: "text|json", help: "how the log is written (default: text).", set: func(v string) error {
			if v != "text" && v != "json" {
				return fmt.Errorf("%q is neither text nor json", v)
			}
			o.logFormat = v
			return nil
		}},
	}
}

func size(to *uint64) func(string) error {
	return func(v string) error {
		n, err := oci.ParseSize(v)
		if err == nil && n == 0 {
			err = fmt.Errorf("%q is no size above 0", v)
		}
		*to = n
		return err
	}
}

func parseDuration(v string) (time.Duration, error) {
	d, err := time.ParseDuration(v)
	if err != nil {
		if d, err = time.ParseDuration(v + "s"); err != nil {
			return 0, fmt.Errorf("%q is not a time", v)
		}
	}
	if d <= 0 {
		return 0, fmt.Errorf("%q is not above 0", v)
	}
	return d, nil
}

// parseBind reads SRC[:DST][:ro]. DST is SRC if left out.
func parseBind(v string) (oci.Mount, error) {
	m := oci.Mount{Type: "bind"}
	parts := strings.Split(v, ":")
	if n := len(parts); n > 1 && (parts[n-1] == "ro" || parts[n-1] == "rw") {
		m.ReadOnly = parts[n-1] == "ro"
		parts = parts[:n-1]
	}
	if len(parts) > 2 || parts[0] == "" {
		return m, fmt.Errorf("%q is not SRC[:DST][:ro]", v)
	}
	src, err := absolute(parts[0])
	if err != nil {
		return m, err
	}
	m.Source, m.Destination = src, src
	if len(parts) == 2 {
		m.Destination = parts[1]
	}
	return m, checkDestination(&m)
}

// parseTmpfs reads DST[:SIZE].
func parseTmpfs(v string) (oci.Mount, error) {
	m := oci.Mount{Type: "tmpfs"}
	dst, sz, has := strings.Cut(v, ":")
	m.Destination = dst
	if has {
		n, err := oci.ParseSize(strings.TrimPrefix(sz, "size="))
		if err != nil {
			return m, err
		}
		m.Size = n
	}
	return m, checkDestination(&m)
}
