// Package programs runs real programs twice, on the host and under
// `sentinel do`, and demands the same output, the same exit code, the same
// effects, and a host on which nothing changed and nothing is left.
//
// Each file in scripts/ is one program and one test; it prints all that it
// wants compared and can be run by hand in an empty folder:
//
//	cd $(mktemp -d) && DATA=... bash .../scripts/shell.sh
//
// A comment `sentinel: key=value ...` in its first lines sets:
//
//	as=root,nobody   the users to run it as (default: the caller)
//	flags=--x=y,...  more flags for sentinel
//	native=overlay   natively as root it gets a throw-away overlay over /
//	exit=N           the exit code it must have, natively too (default 0)
//	timeout=DUR      default 60s
//
// Settings from outside: SENTINEL, the binary (default bin/sentinel of this
// repository); SENTINEL_PLATFORMS, names with commas (default ptrace);
// SENTINEL_MODEL, a folder with the MobileNet model (default: the data folder
// beside the repository). The platform `native` is the host a second time: it
// proves that a test is repeatable.
package programs
