package mm

import "testing"

func TestParse(t *testing.T) {
	m := &MM{names: NewNames()}
	for line, want := range map[string]Mapping{
		"7fb27a876000-7fb27a877000 r--p 00001000 00:00 0 ":                   {Start: 0x7fb27a876000, End: 0x7fb27a877000, Perms: "r--p", Offset: 0x1000},
		"7ffd2c1f0000-7ffd2c1f2000 r-xp 00000000 00:00 0          [vdso]":    {Start: 0x7ffd2c1f0000, End: 0x7ffd2c1f2000, Perms: "r-xp", Name: "[vdso]"},
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]": {Start: 0xffffffffff600000, End: 0xffffffffff601000, Perms: "--xp", Name: "[vsyscall]"},
		"1000-2000 rw-s 00000000 00:01 77 /SYSV00000000 (deleted)":           {Start: 0x1000, End: 0x2000, Perms: "rw-s", Minor: 1, Ino: 77, Name: "/SYSV00000000 (deleted)"},
		"1000-2000 rw-s 00000000 00:01 77 /memfd:a (deleted)":                {Start: 0x1000, End: 0x2000, Perms: "rw-s", Minor: 1, Ino: 77, Name: "/dev/zero (deleted)"},
		"1000-2000 r--p 00000000 fe:00 5":                                    {Start: 0x1000, End: 0x2000, Perms: "r--p", Minor: 1, Ino: 5, Name: "/dev/zero (deleted)"},
	} {
		got, ok := m.parse([]byte(line))
		if !ok || got.Start != want.Start || got.End != want.End || got.Perms != want.Perms || got.Offset != want.Offset ||
			got.Ino != want.Ino || got.Minor != want.Minor || got.Name != want.Name {
			t.Errorf("%q: %+v, %v; want %+v", line, got, ok, want)
		}
	}
	for _, line := range []string{"", "-", "1000", "1000-2000", "1000-2000 rw-p", "1000-2000 rw-p 0 0:0", "g-2000 rw-p 0 0:0 0",
		"10000000000000000-2 rw-p 0 0:0 0", "1000-2000 rw-px 0 0:0 0", "Size:                  4 kB", "1000-2000 rw-p 0 0:0 0a"} {
		if e, ok := m.parse([]byte(line)); ok {
			t.Errorf("%q: taken as %+v", line, e)
		}
	}
}
