package sandbox

import (
	"errors"
	"slices"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/oci"
	"sentinel/internal/task"
)

const passwd = `root:x:0:0:root:/root:/bin/sh
games:x:5:60:games:/usr/games:/bin/false
broken
odd:x:9999999999:1:::
1000:x:7:8::/named-like-a-number:/bin/sh
nobody:x:65534:65534::/nonexistent:/bin/false
`

const group = `root:x:0:
audio:x:29:games,nobody
video:x:44:nobody,games
staff:x:50:
`

func TestFindAccount(t *testing.T) {
	for spec, want := range map[string]account{
		"root":       {home: "/root"},
		"games":      {uid: 5, gid: 60, groups: []uint32{29, 44}, home: "/usr/games"},
		"games:50":   {uid: 5, gid: 50, home: "/usr/games"},
		"5:staff":    {uid: 5, gid: 50, home: "/usr/games"},
		"5":          {uid: 5, gid: 60, groups: []uint32{29, 44}, home: "/usr/games"},
		"1234":       {uid: 1234},
		"1234:5678":  {uid: 1234, gid: 5678},
		"1000":       {uid: 7, gid: 8, home: "/named-like-a-number"},
		"65534:0":    {uid: 65534, home: "/nonexistent"},
		"4294967295": {uid: 4294967295},
	} {
		got, err := findAccount(spec, passwd, group)
		if err != nil || got.uid != want.uid || got.gid != want.gid || got.home != want.home || !slices.Equal(got.groups, want.groups) {
			t.Errorf("%s: %+v, %v", spec, got, err)
		}
	}
	for _, spec := range []string{"", "who", "root:who", "odd", "4294967296", ":"} {
		if a, err := findAccount(spec, passwd, group); err == nil {
			t.Errorf("%q: %+v", spec, a)
		}
	}
}

func TestStartError(t *testing.T) {
	c := &Config{Args: []string{"x"}}
	for err, want := range map[error]int{
		linux.ENOENT: ExitNotFound, linux.EACCES: ExitCannotExec, linux.ENOEXEC: ExitCannotExec, linux.ELOOP: ExitCannotExec,
	} {
		var e *Error
		if !errors.As(c.startError(err), &e) || e.Code != want {
			t.Errorf("%v: %v", err, e)
		}
	}
	var e *Error
	if errors.As(c.startError(errors.New("no ptrace")), &e) {
		t.Error("a failure of the platform has the code of an exec")
	}
}

func TestFromBundle(t *testing.T) {
	adj := int32(5)
	b := &oci.Bundle{Dir: "/b", Spec: &oci.Spec{
		Hostname: "h", Root: oci.Root{Path: "/b/rootfs", Readonly: true},
		Process: &oci.Process{
			Args: []string{"sh"}, Cwd: "/", OOMScoreAdj: &adj,
			Capabilities: &oci.Capabilities{Bounding: 3, Permitted: 7, Effective: 2},
			Rlimits:      []oci.Rlimit{{Resource: linux.RLIMIT_NOFILE, Rlimit64: linux.Rlimit64{Cur: 7, Max: 8}}},
		},
		Mounts: []oci.Mount{{Destination: "/m", Type: "tmpfs"}},
		Linux:  oci.Linux{MemoryLimit: 1 << 20, PidsLimit: 5},
	}}
	c := &Config{Hostname: "flag", PIDs: 9, Mounts: []oci.Mount{{Destination: "/n", Type: "tmpfs"}}}
	if err := c.FromBundle(b); err != nil {
		t.Fatal(err)
	}
	if c.Hostname != "flag" || c.PIDs != 9 || c.Memory != 1<<20 || !c.RootReadonly || c.OOMScoreAdj != 5 {
		t.Errorf("%+v", c)
	}
	if len(c.Mounts) != 2 || c.Mounts[1].Destination != "/n" {
		t.Errorf("mounts: %+v", c.Mounts)
	}
	if l := c.limits(task.Limits{}); l[linux.RLIMIT_NOFILE].Cur != 7 || l[linux.RLIMIT_STACK].Cur != 8<<20 {
		t.Errorf("limits: %+v", l)
	}
	cr := cred.New(0, 0, nil, cred.AllCaps)
	c.capsFor(cr)
	if cr.Permitted != 3 || cr.Effective != 2 || cr.Bounding != 3 {
		t.Errorf("capabilities: %+v", cr)
	}
	b.Spec.Process = nil
	if err := c.FromBundle(b); err == nil {
		t.Error("no process is accepted")
	}
}
