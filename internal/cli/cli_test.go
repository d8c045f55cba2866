package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"sentinel/internal/oci"
)

func parseDo(t *testing.T, args ...string) (*options, []string, error) {
	t.Helper()
	o := &options{}
	rest, _, err := parseFlags("do", doCommand().flags(o), args)
	return o, rest, err
}

func TestFlags(t *testing.T) {
	o, rest, err := parseDo(t, "--network=none", "--memory", "64m", "--timeout", "1.5", "--pids=7", "--strace", "--stats=f",
		"--bind", "/a:/b:ro", "--bind=/c", "--tmpfs", "/t:1m", "--env", "A=b=c", "--clear-env", "--user", "u:g", "--", "--x", "y")
	if err != nil {
		t.Fatal(err)
	}
	c := o.sandbox
	if !c.NoNetwork || c.Memory != 64<<20 || c.Timeout != 1500*time.Millisecond || c.PIDs != 7 || o.user != "u:g" || !o.clearEnv {
		t.Errorf("%+v", o)
	}
	if *o.strace != "" || *o.stats != "f" || o.env[0] != "A=b=c" {
		t.Errorf("strace %q, stats %q, env %q", *o.strace, *o.stats, o.env)
	}
	if strings.Join(rest, " ") != "--x y" {
		t.Errorf("rest: %q", rest)
	}
	want := []oci.Mount{
		{Type: "bind", Source: "/a", Destination: "/b", ReadOnly: true},
		{Type: "bind", Source: "/c", Destination: "/c"},
		{Type: "tmpfs", Destination: "/t", Size: 1 << 20},
	}
	for i, m := range want {
		got := c.Mounts[i]
		if got.Type != m.Type || got.Source != m.Source || got.Destination != m.Destination || got.ReadOnly != m.ReadOnly || got.Size != m.Size {
			t.Errorf("mount %d: %+v", i, got)
		}
	}
	// Options end at the command.
	if _, rest, err = parseDo(t, "ls", "--memory", "x"); err != nil || len(rest) != 3 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestFlagErrors(t *testing.T) {
	for want, args := range map[string][]string{
		`unknown flag "--nope"`:             {"--nope"},
		`unknown flag "-m"`:                 {"-m"},
		"--memory needs a value":            {"--memory"},
		"--clear-env takes no value":        {"--clear-env=1"},
		`--memory: "x" is not a size`:       {"--memory", "x"},
		`--timeout: "soon" is not a time`:   {"--timeout=soon"},
		`--pids: "0" is no number above 0`:  {"--pids", "0"},
		`--network: "yes" is neither host`:  {"--network=yes"},
		`--bind: "b" is not an absolute`:    {"--bind", "/a:b"},
		`--bind: "/a:/b:/c" is not SRC`:     {"--bind", "/a:/b:/c"},
		`--platform: no platform "kvm"`:     {"--platform=kvm"},
		`--log-format: "xml" is neither`:    {"--log-format", "xml"},
		`--env: "=x" has no name`:           {"--env", "=x"},
		`--tmpfs: "relative" is not an abs`: {"--tmpfs", "relative"},
	} {
		_, _, err := parseDo(t, args...)
		if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "(try: sentinel help do)") {
			t.Errorf("%q: %v, want %s", args, err, want)
		}
	}
}

func TestDispatch(t *testing.T) {
	var out bytes.Buffer
	o := &options{version: "1.2", stdout: &out}
	if code, err := dispatch([]string{"--version"}, o); code != 0 || err != nil || !strings.HasPrefix(out.String(), "sentinel 1.2\n") {
		t.Errorf("%d, %v, %q", code, err, out.String())
	}
	for _, args := range [][]string{nil, {"frob"}, {"--frob"}, {"do"}, {"run"}, {"run", "../x"}, {"help", "x"}, {"version", "x"}} {
		if _, err := dispatch(args, o); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", args, err)
		}
	}
	var ue *usageError
	if _, err := dispatch([]string{"do"}, o); !errors.As(err, &ue) {
		t.Errorf("no command: %v", err)
	}
}

func TestHelp(t *testing.T) {
	for _, c := range commands() {
		var out bytes.Buffer
		if _, err := dispatch([]string{"help", c.name}, &options{stdout: &out}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if len(line) > 90 || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: bad line %q", c.name, line)
			}
		}
		if c.flags != nil {
			for _, f := range c.flags(&options{}) {
				if !strings.Contains(out.String(), "--"+f.name) {
					t.Errorf("%s: no --%s", c.name, f.name)
				}
			}
		}
	}
}

func TestSetEnv(t *testing.T) {
	t.Setenv("HERE", "1")
	env := setEnv([]string{"A=1", "B=2"}, "A=3")
	env = setEnv(env, "HERE")
	env = setEnv(env, "NOT_SET_ANYWHERE")
	if got := strings.Join(env, " "); got != "A=3 B=2 HERE=1" {
		t.Error(got)
	}
}

func TestOneLine(t *testing.T) {
	if got := oneLine("a\nb\x1b[0m"); got != "a?b?[0m" {
		t.Errorf("%q", got)
	}
}
