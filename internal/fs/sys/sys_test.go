package sys

import (
	"testing"

	"sentinel/internal/vfs"
)

type limits struct{}

func (limits) MemoryMax() int64               { return 64 << 20 }
func (limits) MemoryCurrent() int64           { return 4096 }
func (limits) CPUMax() (quota, period int64)  { return 0, 0 }
func (limits) CPUUsage() (user, system int64) { return 5, 6 }
func (limits) PidsMax() int64                 { return 0 }
func (limits) Pids() []int32                  { return []int32{1, 7} }

func read(t *testing.T, v *vfs.VFS, path string) string {
	t.Helper()
	c := &vfs.Context{FS: vfs.NewFSContext(v.Root(), v.Root(), 0)}
	f, err := v.OpenAt(c, vfs.Path{}, path, 0, 0, 0)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer f.DecRef()
	b := make([]byte, 4096)
	n, err := f.Read(c, b)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(b[:n])
}

func TestSysfs(t *testing.T) {
	cfg := Config{CPUs: 34, MemTotal: 1 << 30, Interfaces: func() []Interface {
		return []Interface{{Name: "lo", Index: 1, MTU: 65536, Flags: 9, Loopback: true}}
	}}
	v := vfs.New(New(cfg, 20))
	if _, err := v.MountAt("/fs/cgroup", NewCgroup(cfg, limits{}, 21), vfs.MountOptions{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/devices/system/cpu/online":                         "0-33\n",
		"/devices/system/cpu/cpu33/topology/core_id":         "33\n",
		"/devices/system/cpu/cpu33/topology/thread_siblings": "00000002,00000000\n",
		"/devices/system/cpu/cpu0/topology/core_siblings":    "00000003,ffffffff\n",
		"/devices/system/cpu/cpu0/node0/cpulist":             "0-33\n",
		"/devices/system/cpu/cpu1/cache/index2/size":         "1024K\n",
		"/class/net/lo/mtu":                                  "65536\n",
		"/devices/virtual/net/lo/address":                    "00:00:00:00:00:00\n",
		"/kernel/mm/transparent_hugepage/hpage_pmd_size":     "2097152\n",
		"/fs/cgroup/memory.max":                              "67108864\n",
		"/fs/cgroup/cpu.max":                                 "max 100000\n",
		"/fs/cgroup/pids.current":                            "2\n",
		"/fs/cgroup/cgroup.procs":                            "1\n7\n",
	} {
		if got := read(t, v, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

func TestMaskOfOneWord(t *testing.T) {
	s := &sysfs{cfg: Config{CPUs: 6}}
	if got := s.cpuMask(1, 1); got != "02\n" {
		t.Fatalf("%q", got)
	}
}
