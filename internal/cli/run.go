package cli

import (
	"fmt"
	"strings"

	"sentinel/internal/oci"
)

func runCommand() *command {
	return &command{
		name: "run", usage: "run [--bundle DIR] [OPTION]... ID",
		summary: "run an OCI bundle",
		text: `Runs the process of an OCI bundle under a kernel of its own, in the foreground,
and removes every trace of it at its end. ID is the container's name. Options
add to what config.json says.`,
		after: `EXIT STATUS
    As for "sentinel do".

EXAMPLES
    sentinel run --bundle /srv/hello hello-1
`,
		flags: func(o *options) []flag {
			return append([]flag{
				{name: "bundle", arg: "DIR", help: "the bundle, with config.json (default: the current directory).", set: func(v string) error {
					o.bundle = v
					return nil
				}},
			}, commonFlags(o)...)
		},
		run: runBundle,
	}
}

func runBundle(o *options, args []string) (int, error) {
	if len(args) != 1 {
		return 0, &usageError{"run", "want one container ID"}
	}
	if err := checkID(args[0]); err != nil {
		return 0, err
	}
	if o.bundle == "" {
		o.bundle = "."
	}
	b, err := oci.ReadBundle(o.bundle)
	if err != nil {
		return 0, err
	}
	o.sandbox.ID = args[0]
	if err := o.sandbox.FromBundle(b); err != nil {
		return 0, err
	}
	return start(o)
}

// checkID accepts what runc accepts: letters, digits and _ + - . and nothing
// that is a path.
func checkID(id string) error {
	if id == "" || id == "." || id == ".." || len(id) > 1024 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.") != "" {
		return fmt.Errorf("%q is not a container ID, which has letters, digits and any of _+-. only", id)
	}
	return nil
}
