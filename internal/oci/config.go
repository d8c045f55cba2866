package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
)

// maxConfig bounds config.json in bytes.
const maxConfig = 16 << 20

// ReadBundle reads the configuration of the bundle in dir.
func ReadBundle(dir string) (*Bundle, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(dir, "config.json")
	f, err := os.Open(name)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			return nil, fmt.Errorf("bundle: %s: %w", name, pe.Err)
		}
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: cannot be read: %w", name, errors.Unwrap(err))
	}
	if len(src) > maxConfig {
		return nil, fmt.Errorf("bundle: %s: larger than %d MiB", name, maxConfig>>20)
	}
	s, err := Parse(name, dir, src)
	if err != nil {
		return nil, err
	}
	return &Bundle{Dir: dir, Spec: s}, nil
}

// Parse reads and checks a configuration. name is for messages, relative paths
// are beneath dir.
func Parse(name, dir string, src []byte) (*Spec, error) {
	n, err := parse(src)
	if err != nil {
		line := 1
		var se *syntaxError
		if errors.As(err, &se) {
			line = se.line
		}
		return nil, fmt.Errorf("%s:%d: %w", name, line, err)
	}
	d := &decoder{name: name}
	s := &Spec{}
	d.spec(s, dir, n)
	if d.err != nil {
		return nil, d.err
	}
	return s, nil
}

// decoder turns nodes into fields. It keeps the first error.
type decoder struct {
	name string
	err  error
}

// fail notes that the value n of field is wrong.
func (d *decoder) fail(n *node, field, format string, a ...any) {
	if d.err == nil {
		d.err = fmt.Errorf("%s:%d: %s: %s", d.name, n.line, field, fmt.Sprintf(format, a...))
	}
}

// want checks the kind of a value, and that there is one.
func (d *decoder) want(n *node, k kind, field string) bool {
	if n == nil {
		return false
	}
	if n.kind != k {
		d.fail(n, field, "want %s, not %s", k, n.kind)
		return false
	}
	return true
}

func (d *decoder) str(n *node, field string) string {
	if !d.want(n, str, field) {
		return ""
	}
	if strings.IndexByte(n.text, 0) >= 0 {
		d.fail(n, field, "a NUL character")
		return ""
	}
	return n.text
}

func (d *decoder) bool(n *node, field string) bool {
	return d.want(n, boolean, field) && n.b
}

func (d *decoder) uint(n *node, field string, bits int) uint64 {
	if !d.want(n, number, field) {
		return 0
	}
	v, err := strconv.ParseUint(n.text, 10, bits)
	if err != nil {
		d.fail(n, field, "%s is not a whole number from 0 to %d", n.text, uint64(1)<<bits-1)
	}
	return v
}

func (d *decoder) int(n *node, field string, bits int) int64 {
	if !d.want(n, number, field) {
		return 0
	}
	v, err := strconv.ParseInt(n.text, 10, bits)
	if err != nil {
		d.fail(n, field, "%s is not a whole number of %d bits", n.text, bits)
	}
	return v
}

// each calls fn for the elements of an array.
func (d *decoder) each(n *node, field string, fn func(n *node, field string)) {
	if !d.want(n, array, field) {
		return
	}
	for i := range n.kids {
		if d.err != nil {
			return
		}
		fn(&n.kids[i], field+"["+strconv.Itoa(i)+"]")
	}
}

func (d *decoder) strs(n *node, field string) []string {
	var out []string
	d.each(n, field, func(n *node, field string) { out = append(out, d.str(n, field)) })
	return out
}

func (d *decoder) strMap(n *node, field string) map[string]string {
	if !d.want(n, object, field) {
		return nil
	}
	m := map[string]string{}
	for i, k := range n.keys {
		m[k] = d.str(&n.kids[i], field+"."+strings.Trim(strconv.Quote(k), "\""))
	}
	return m
}

func (d *decoder) spec(s *Spec, dir string, n *node) {
	if !d.want(n, object, "configuration") {
		return
	}
	v := n.get("ociVersion")
	s.Version = d.str(v, "ociVersion")
	switch {
	case v == nil:
		d.fail(n, "ociVersion", "missing")
	case !strings.HasPrefix(s.Version, "1."):
		d.fail(v, "ociVersion", "%q is not supported, only 1.x is", s.Version)
	}
	if p := n.get("process"); d.want(p, object, "process") {
		s.Process = &Process{}
		d.process(s, p)
	}
	d.root(s, dir, n)
	if h := n.get("hostname"); h != nil {
		s.Hostname = d.hostname(h, "hostname")
	}
	if h := n.get("domainname"); h != nil {
		s.Domainname = d.hostname(h, "domainname")
	}
	d.each(n.get("mounts"), "mounts", func(n *node, field string) { d.mount(s, dir, n, field) })
	s.Annotations = d.strMap(n.get("annotations"), "annotations")
	if h := n.get("hooks"); d.want(h, object, "hooks") {
		d.hooks(&s.Hooks, h)
	}
	if l := n.get("linux"); d.want(l, object, "linux") {
		d.linux(s, l)
	}
	for _, other := range [...]string{"solaris", "windows", "vm", "zos"} {
		if n.get(other) != nil {
			s.Ignored = append(s.Ignored, other)
		}
	}
}

func (d *decoder) hostname(n *node, field string) string {
	s := d.str(n, field)
	if len(s) > 64 {
		d.fail(n, field, "longer than 64 bytes")
	}
	return s
}

func (d *decoder) root(s *Spec, dir string, n *node) {
	r := n.get("root")
	if r == nil {
		d.fail(n, "root", "missing")
		return
	}
	if !d.want(r, object, "root") {
		return
	}
	p := r.get("path")
	s.Root.Path = d.str(p, "root.path")
	if s.Root.Path == "" {
		d.fail(r, "root.path", "missing")
		return
	}
	if !filepath.IsAbs(s.Root.Path) {
		s.Root.Path = filepath.Join(dir, s.Root.Path)
	}
	s.Root.Readonly = d.bool(r.get("readonly"), "root.readonly")
}

func (d *decoder) process(s *Spec, n *node) {
	p := s.Process
	p.Terminal = d.bool(n.get("terminal"), "process.terminal")
	if b := n.get("consoleSize"); d.want(b, object, "process.consoleSize") {
		p.ConsoleSize.Height = uint16(d.uint(b.get("height"), "process.consoleSize.height", 16))
		p.ConsoleSize.Width = uint16(d.uint(b.get("width"), "process.consoleSize.width", 16))
	}
	if u := n.get("user"); d.want(u, object, "process.user") {
		p.User.UID = uint32(d.uint(u.get("uid"), "process.user.uid", 32))
		p.User.GID = uint32(d.uint(u.get("gid"), "process.user.gid", 32))
		p.User.Username = d.str(u.get("username"), "process.user.username")
		if m := u.get("umask"); m != nil {
			v := uint32(d.uint(m, "process.user.umask", 32))
			if v > 0o777 {
				d.fail(m, "process.user.umask", "%d is more than 0777", v)
			}
			p.User.Umask = &v
		}
		d.each(u.get("additionalGids"), "process.user.additionalGids", func(n *node, field string) {
			p.User.AdditionalGids = append(p.User.AdditionalGids, uint32(d.uint(n, field, 32)))
		})
	}
	args := n.get("args")
	p.Args = d.strs(args, "process.args")
	if len(p.Args) == 0 {
		if args == nil {
			args = n
		}
		d.fail(args, "process.args", "missing or empty")
	} else if p.Args[0] == "" {
		d.fail(args, "process.args[0]", "empty")
	}
	d.each(n.get("env"), "process.env", func(n *node, field string) {
		kv := d.str(n, field)
		if strings.IndexByte(kv, '=') < 1 && d.err == nil {
			d.fail(n, field, "%q is not NAME=VALUE", kv)
		}
		p.Env = append(p.Env, kv)
	})
	cwd := n.get("cwd")
	p.Cwd = d.str(cwd, "process.cwd")
	switch {
	case cwd == nil:
		d.fail(n, "process.cwd", "missing")
	case !filepath.IsAbs(p.Cwd):
		d.fail(cwd, "process.cwd", "%q is not an absolute path", p.Cwd)
	}
	if c := n.get("capabilities"); d.want(c, object, "process.capabilities") {
		p.Capabilities = &Capabilities{
			Bounding:    d.caps(s, c, "bounding"),
			Effective:   d.caps(s, c, "effective"),
			Inheritable: d.caps(s, c, "inheritable"),
			Permitted:   d.caps(s, c, "permitted"),
			Ambient:     d.caps(s, c, "ambient"),
		}
	}
	d.each(n.get("rlimits"), "process.rlimits", func(n *node, field string) { d.rlimit(p, n, field) })
	p.NoNewPrivileges = d.bool(n.get("noNewPrivileges"), "process.noNewPrivileges")
	if o := n.get("oomScoreAdj"); o != nil {
		v := int32(d.int(o, "process.oomScoreAdj", 32))
		if v < -1000 || v > 1000 {
			d.fail(o, "process.oomScoreAdj", "%d is not between -1000 and 1000", v)
		}
		p.OOMScoreAdj = &v
	}
	for _, key := range [...]string{"apparmorProfile", "selinuxLabel", "scheduler", "ioPriority", "execCPUAffinity"} {
		if v := n.get(key); v != nil && v.text != "" {
			s.Ignored = append(s.Ignored, "process."+key)
		}
	}
}

func (d *decoder) rlimit(p *Process, n *node, field string) {
	if !d.want(n, object, field) {
		return
	}
	t := n.get("type")
	name := d.str(t, field+".type")
	i := resourceNumber(name)
	if i < 0 {
		if t == nil {
			t = n
		}
		d.fail(t, field+".type", "%q is no resource limit", name)
		return
	}
	r := Rlimit{Resource: i}
	r.Cur = d.uint(n.get("soft"), field+".soft", 64)
	r.Max = d.uint(n.get("hard"), field+".hard", 64)
	if r.Cur > r.Max {
		d.fail(n, field, "the soft limit is above the hard one")
	}
	for _, other := range p.Rlimits {
		if other.Resource == i {
			d.fail(n, field, "%s is there twice", name)
		}
	}
	p.Rlimits = append(p.Rlimits, r)
}

func (d *decoder) hooks(h *Hooks, n *node) {
	for _, l := range [...]struct {
		name string
		to   *[]Hook
	}{
		{"prestart", &h.Prestart}, {"createRuntime", &h.CreateRuntime}, {"createContainer", &h.CreateContainer},
		{"startContainer", &h.StartContainer}, {"poststart", &h.Poststart}, {"poststop", &h.Poststop},
	} {
		d.each(n.get(l.name), "hooks."+l.name, func(n *node, field string) {
			if !d.want(n, object, field) {
				return
			}
			path := n.get("path")
			k := Hook{
				Path: d.str(path, field+".path"), Args: d.strs(n.get("args"), field+".args"),
				Env: d.strs(n.get("env"), field+".env"), Timeout: int(d.uint(n.get("timeout"), field+".timeout", 31)),
			}
			if !filepath.IsAbs(k.Path) {
				d.fail(n, field+".path", "%q is not an absolute path", k.Path)
			}
			*l.to = append(*l.to, k)
		})
	}
}

func (d *decoder) linux(s *Spec, n *node) {
	l := &s.Linux
	d.each(n.get("namespaces"), "linux.namespaces", func(n *node, field string) {
		if d.want(n, object, field) {
			l.Namespaces = append(l.Namespaces, Namespace{d.str(n.get("type"), field+".type"), d.str(n.get("path"), field+".path")})
		}
	})
	l.CgroupsPath = d.str(n.get("cgroupsPath"), "linux.cgroupsPath")
	l.MaskedPaths = d.strs(n.get("maskedPaths"), "linux.maskedPaths")
	l.ReadonlyPaths = d.strs(n.get("readonlyPaths"), "linux.readonlyPaths")
	l.Sysctl = d.strMap(n.get("sysctl"), "linux.sysctl")
	if r := n.get("resources"); d.want(r, object, "linux.resources") {
		for i, key := range r.keys {
			switch k := &r.kids[i]; key {
			case "memory":
				// -1 is no limit.
				if d.want(k, object, "linux.resources.memory") {
					l.MemoryLimit = uint64(max(d.int(k.get("limit"), "linux.resources.memory.limit", 64), 0))
				}
			case "pids":
				if d.want(k, object, "linux.resources.pids") {
					l.PidsLimit = int(max(d.int(k.get("limit"), "linux.resources.pids.limit", 64), 0))
				}
			default:
				s.Ignored = append(s.Ignored, "linux.resources."+strings.Trim(strconv.Quote(key), "\""))
			}
		}
	}
	for _, key := range [...]string{"devices", "seccomp", "uidMappings", "gidMappings", "intelRdt", "personality", "timeOffsets", "mountLabel", "rootfsPropagation"} {
		if v := n.get(key); v != nil && (len(v.kids) > 0 || v.text != "") {
			s.Ignored = append(s.Ignored, "linux."+key)
		}
	}
}

// resourceNumber returns the linux.RLIMIT_* number of a limit, -1 if unknown.
func resourceNumber(name string) int {
	names := [...]string{
		linux.RLIMIT_CPU: "CPU", linux.RLIMIT_FSIZE: "FSIZE", linux.RLIMIT_DATA: "DATA", linux.RLIMIT_STACK: "STACK",
		linux.RLIMIT_CORE: "CORE", linux.RLIMIT_RSS: "RSS", linux.RLIMIT_NPROC: "NPROC", linux.RLIMIT_NOFILE: "NOFILE",
		linux.RLIMIT_MEMLOCK: "MEMLOCK", linux.RLIMIT_AS: "AS", linux.RLIMIT_LOCKS: "LOCKS", linux.RLIMIT_SIGPENDING: "SIGPENDING",
		linux.RLIMIT_MSGQUEUE: "MSGQUEUE", linux.RLIMIT_NICE: "NICE", linux.RLIMIT_RTPRIO: "RTPRIO", linux.RLIMIT_RTTIME: "RTTIME",
	}
	for i, n := range names {
		if "RLIMIT_"+n == name {
			return i
		}
	}
	return -1
}
