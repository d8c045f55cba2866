package oci

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sentinel/internal/cred"
)

func (d *decoder) mount(s *Spec, dir string, n *node, field string) {
	if !d.want(n, object, field) {
		return
	}
	dest := n.get("destination")
	m := Mount{
		Destination: d.str(dest, field+".destination"),
		Type:        d.str(n.get("type"), field+".type"),
		Source:      d.str(n.get("source"), field+".source"),
		Options:     d.strs(n.get("options"), field+".options"),
		Line:        n.line,
	}
	if d.err != nil {
		return
	}
	switch {
	case m.Destination == "":
		d.fail(n, field+".destination", "missing")
		return
	case !filepath.IsAbs(m.Destination):
		d.fail(dest, field+".destination", "%q is not an absolute path", m.Destination)
		return
	}
	m.Destination = filepath.Clean(m.Destination)
	if slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") {
		m.Type = "bind"
	}
	switch m.Type {
	case "bind":
		if m.Source == "" {
			d.fail(n, field+".source", "missing")
			return
		}
		if !filepath.IsAbs(m.Source) {
			m.Source = filepath.Join(dir, m.Source)
		}
	case "tmpfs", "proc", "sysfs", "devpts", "mqueue":
	case "cgroup", "cgroup2":
		m.Type = "cgroup"
	case "":
		d.fail(n, field+".type", "missing")
	default:
		d.fail(n, field+".type", "file systems of type %q are not supported", m.Type)
	}
	if err := m.parseOptions(); err != nil {
		d.fail(n, field+".options", "%v", err)
	}
	s.Mounts = append(s.Mounts, m)
}

// parseOptions reads those options that change something. The rest (nosuid,
// relatime, propagation) is so anyway or has no meaning in a sandbox.
func (m *Mount) parseOptions() error {
	for _, o := range m.Options {
		key, val, _ := strings.Cut(o, "=")
		var err error
		var v uint64
		switch key {
		case "ro", "rro":
			m.ReadOnly = true
		case "rw":
			m.ReadOnly = false
		case "noexec":
			m.NoExec = true
		case "size":
			if m.Size, err = ParseSize(val); err != nil {
				return err
			}
		case "mode":
			v, err = strconv.ParseUint(val, 8, 12)
			m.Mode = uint32(v)
		case "uid":
			v, err = strconv.ParseUint(val, 10, 32)
			m.UID = uint32(v)
		case "gid":
			v, err = strconv.ParseUint(val, 10, 32)
			m.GID = uint32(v)
		}
		if err != nil {
			return fmt.Errorf("%q is malformed", o)
		}
	}
	return nil
}

// ParseSize reads a number of bytes with an optional suffix k, m, g or t, in
// either case, with or without "b" or "ib": 64m, 1GiB.
func ParseSize(s string) (uint64, error) {
	t := strings.ToLower(s)
	t = strings.TrimSuffix(t, "b")
	t = strings.TrimSuffix(t, "i")
	shift := 0
	if t != "" {
		if i := strings.IndexByte("kmgt", t[len(t)-1]); i >= 0 {
			shift = 10 * (i + 1)
			t = t[:len(t)-1]
		}
	}
	v, err := strconv.ParseUint(t, 10, 64)
	if err != nil || v > 1<<62>>shift {
		return 0, fmt.Errorf("%q is not a size", s)
	}
	return v << shift, nil
}

// capNames are the capabilities by number, without CAP_.
var capNames = [cred.CapLast + 1]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
	"SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG",
	"MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
	"BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
}

// caps reads one set. A capability that nobody knows is ignored, as the
// specification asks for those that the kernel lacks.
func (d *decoder) caps(s *Spec, n *node, which string) cred.CapSet {
	set := cred.CapSet(0)
	d.each(n.get(which), "process.capabilities."+which, func(n *node, field string) {
		name := d.str(n, field)
		i := slices.Index(capNames[:], strings.TrimPrefix(name, "CAP_"))
		if i < 0 || !strings.HasPrefix(name, "CAP_") {
			s.Ignored = append(s.Ignored, field)
			return
		}
		set |= 1 << i
	})
	return set
}
