package proc

import (
	"bytes"
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/mm"
	"sentinel/internal/vfs"
)

// maxArea bounds what is read of a process's arguments or environment at once;
// exec allows 6 MiB of both.
const maxArea = 8 << 20

func readArea(m *mm.MM, start, end uint64) []byte {
	if end <= start || end-start > maxArea {
		return nil
	}
	b := make([]byte, end-start)
	n, _ := m.AddressSpace().CopyIn(start, b)
	return b[:n]
}

// cmdline is get_mm_cmdline of fs/proc/base.c: a process may write its title
// over its arguments, and past their end if it overwrites the last NUL.
func (d *process) cmdline(*vfs.Context) ([]byte, error) {
	m := d.mm()
	if m == nil {
		return nil, nil
	}
	l := &m.Layout
	b := readArea(m, l.ArgStart, l.ArgEnd)
	if len(b) == 0 || b[len(b)-1] == 0 || l.EnvStart != l.ArgEnd {
		return b, nil
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i+1], nil
	}
	b = append(b, readArea(m, l.EnvStart, l.EnvEnd)...)
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return b, nil
}

func (d *process) environ(*vfs.Context) ([]byte, error) {
	m := d.mm()
	if m == nil {
		return nil, nil
	}
	return readArea(m, m.Layout.EnvStart, m.Layout.EnvEnd), nil
}

func (d *process) auxv(*vfs.Context) ([]byte, error) {
	m := d.mm()
	if m == nil {
		return nil, nil
	}
	return bytes.Clone(m.Layout.Auxv), nil
}

// mapping writes a line of maps (show_map_vma of fs/proc/task_mmu.c).
func (b *text) mapping(e *mm.Mapping) {
	from := len(*b)
	b.hex(e.Start, 8).s("-").hex(e.End, 8).s(" ", e.Perms, " ").hex(e.Offset, 8).s(" ")
	b.hex(uint64(e.Major), 2).s(":").hex(uint64(e.Minor), 2).s(" ").u(e.Ino)
	if e.Name != "" {
		for len(*b)-from < 72 {
			b.s(" ")
		}
		b.s(" ", strings.ReplaceAll(e.Name, "\n", "\\012"))
	} else {
		b.s(" ")
	}
	b.s("\n")
}

func (d *process) maps(*vfs.Context) ([]byte, error) {
	m := d.mm()
	if m == nil {
		return nil, nil
	}
	es, err := m.Maps(false)
	if err != nil {
		return nil, nil // the process is just ending
	}
	b := make(text, 0, len(es)*96)
	for i := range es {
		b.mapping(&es[i])
	}
	return b, nil
}

func (d *process) smaps(*vfs.Context) ([]byte, error) {
	m := d.mm()
	if m == nil {
		return nil, nil
	}
	es, err := m.Maps(true)
	if err != nil {
		return nil, nil
	}
	var b text
	for i := range es {
		b.mapping(&es[i])
		b = append(b, es[i].Rest...)
	}
	return b, nil
}

// rollup are the lines of smaps_rollup, in its order.
var rollup = [...]string{
	"Rss", "Pss", "Pss_Dirty", "Pss_Anon", "Pss_File", "Pss_Shmem", "Shared_Clean", "Shared_Dirty",
	"Private_Clean", "Private_Dirty", "Referenced", "Anonymous", "KSM", "LazyFree", "AnonHugePages",
	"ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap", "SwapPss", "Locked",
}

func (d *process) smapsRollup(*vfs.Context) ([]byte, error) {
	m := d.mm()
	if m == nil {
		return nil, linux.ESRCH
	}
	es, err := m.Maps(true)
	if err != nil || len(es) == 0 {
		return nil, linux.ESRCH
	}
	var sums [len(rollup)]uint64
	for i := range es {
		anon, shmem := es[i].Ino == 0, strings.HasPrefix(es[i].Name, "/dev/zero")
		for line := range bytes.Lines(es[i].Rest) {
			name, v, ok := kb(line)
			if !ok {
				continue
			}
			for k := range rollup {
				if rollup[k] == name {
					sums[k] += v
				}
			}
			if name == "Pss" {
				switch {
				case shmem:
					sums[5] += v
				case anon:
					sums[3] += v
				default:
					sums[4] += v
				}
			}
		}
	}
	var b text
	end := es[len(es)-1]
	if end.Name == "[vsyscall]" && len(es) > 1 {
		end = es[len(es)-2] // the gate is not a mapping of the process
	}
	b.mapping(&mm.Mapping{Start: es[0].Start, End: end.End, Perms: "---p", Name: "[rollup]"})
	for i, n := range rollup {
		b.left(n+":", 16).pad(utoa(sums[i]), 8).s(" kB\n")
	}
	return b, nil
}

// kb parses a line "Name:   123 kB".
func kb(line []byte) (name string, v uint64, ok bool) {
	n, rest, ok := strings.Cut(string(line), ":")
	f := strings.Fields(rest)
	if !ok || len(f) != 2 || f[1] != "kB" {
		return "", 0, false
	}
	v, err := strconv.ParseUint(f[0], 10, 64)
	return n, v, err == nil
}

// memFile is mem: the process's memory by address.
func (d *process) memFile(e *entry, ino uint64) vfs.Inode {
	f := d.file(ino, e.perm)
	f.OpsFn = func(c *vfs.Context, _ uint32) (vfs.FileOps, error) {
		if err := d.mayAccess(c); err != nil {
			return nil, err
		}
		m := d.mm()
		if m == nil {
			return &memory{}, nil
		}
		return &memory{m: m}, nil
	}
	return f
}

// memory is an open mem file.
type memory struct {
	vfs.NoFile
	m *mm.MM
}

// Read implements vfs.FileOps (mem_rw).
func (f *memory) Read(_ *vfs.Context, _ *vfs.File, dst []byte, off int64) (int, error) {
	if f.m == nil || f.m.Users() == 0 || len(dst) == 0 {
		return 0, nil
	}
	n, err := f.m.AddressSpace().CopyIn(uint64(off), dst)
	if n == 0 && err != nil {
		return 0, linux.EIO
	}
	return n, nil
}

// Write implements vfs.FileOps.
func (f *memory) Write(_ *vfs.Context, _ *vfs.File, src []byte, off int64) (int, error) {
	if f.m == nil || f.m.Users() == 0 || len(src) == 0 {
		return 0, nil
	}
	n, err := f.m.AddressSpace().CopyOut(uint64(off), src)
	if n == 0 && err != nil {
		return 0, linux.EIO
	}
	return n, nil
}

// Seek implements vfs.Seekable (mem_lseek).
func (f *memory) Seek(_ *vfs.Context, _ *vfs.File, cur, off int64, whence int) (int64, error) {
	switch whence {
	case linux.SEEK_SET:
		return off, nil
	case linux.SEEK_CUR:
		return cur + off, nil
	}
	return 0, linux.EINVAL
}

// hostStatus returns the lines of the host's status of the process that tell
// of its memory.
func hostStatus(m *mm.MM) []byte {
	b, err := host.ReadProc(m.AddressSpace().HostPID(), "status")
	if err != nil {
		return nil
	}
	var out []byte
	for line := range bytes.Lines(b) {
		if bytes.HasPrefix(line, []byte("Vm")) || bytes.HasPrefix(line, []byte("Rss")) || bytes.HasPrefix(line, []byte("Hugetlb")) {
			out = append(out, line...)
		}
	}
	return out
}

// hostFaults returns the minor and major page faults of the process.
func hostFaults(m *mm.MM) (minor, major string) {
	b, err := host.ReadProc(m.AddressSpace().HostPID(), "stat")
	if err != nil {
		return "0", "0"
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 11 {
		return "0", "0"
	}
	return f[7], f[9]
}
