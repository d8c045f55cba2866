package proc

import (
	"strconv"
	"strings"
	"sync"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/host"
	"sentinel/internal/task"
	"sentinel/internal/tty"
	"sentinel/internal/vfs"
)

// setting is a sysctl that never changes: a guest cannot tune the kernel.
type setting struct{ path, value string }

var kernelSettings = [...]setting{
	{"auto_msgmni", "0"}, {"cad_pid", "1"}, {"cap_last_cap", "40"}, {"core_pattern", "core"}, {"core_pipe_limit", "0"},
	{"core_uses_pid", "0"}, {"ctrl-alt-del", "0"}, {"dmesg_restrict", "1"}, {"io_uring_disabled", "2"},
	{"keys/gc_delay", "300"}, {"keys/maxbytes", "20000"}, {"keys/maxkeys", "200"}, {"keys/root_maxbytes", "25000000"},
	{"keys/root_maxkeys", "1000000"}, {"kptr_restrict", "2"}, {"modules_disabled", "1"},
	{"msgmax", "8192"}, {"msgmnb", "16384"}, {"msgmni", "32000"}, {"ngroups_max", "65536"}, {"numa_balancing", "0"},
	{"overflowgid", "65534"}, {"overflowuid", "65534"}, {"panic", "0"}, {"panic_on_oops", "0"}, {"panic_on_warn", "0"},
	{"perf_cpu_time_max_percent", "25"}, {"perf_event_max_sample_rate", "100000"}, {"perf_event_max_stack", "127"},
	{"perf_event_mlock_kb", "516"}, {"perf_event_paranoid", "4"}, {"print-fatal-signals", "0"}, {"printk", "4\t4\t1\t7"},
	{"pty/reserve", "1024"}, {"random/entropy_avail", "256"}, {"random/poolsize", "256"},
	{"random/urandom_min_reseed_secs", "60"}, {"random/write_wakeup_threshold", "256"}, {"randomize_va_space", "2"},
	{"sched_autogroup_enabled", "0"}, {"sched_rr_timeslice_ms", "100"}, {"sched_rt_period_us", "1000000"},
	{"sched_rt_runtime_us", "950000"}, {"sem", "32000\t1024000000\t500\t32000"}, {"shm_rmid_forced", "0"},
	{"shmall", "18446744073692774399"}, {"shmmax", "18446744073692774399"}, {"shmmni", "4096"}, {"sysrq", "0"},
	{"tainted", "0"}, {"timer_migration", "1"}, {"unprivileged_bpf_disabled", "2"},
}

var vmSettings = [...]setting{
	{"admin_reserve_kbytes", "8192"}, {"dirty_background_bytes", "0"}, {"dirty_background_ratio", "10"}, {"dirty_bytes", "0"},
	{"dirty_expire_centisecs", "3000"}, {"dirty_ratio", "20"}, {"dirty_writeback_centisecs", "500"}, {"drop_caches", "0"},
	{"extfrag_threshold", "500"}, {"hugetlb_shm_group", "0"}, {"laptop_mode", "0"}, {"legacy_va_layout", "0"},
	{"max_map_count", "65530"}, {"memfd_noexec", "0"}, {"min_free_kbytes", "67584"}, {"mmap_min_addr", "65536"},
	{"mmap_rnd_bits", "28"}, {"nr_hugepages", "0"}, {"nr_overcommit_hugepages", "0"}, {"oom_dump_tasks", "1"},
	{"oom_kill_allocating_task", "0"}, {"overcommit_kbytes", "0"}, {"overcommit_memory", "0"}, {"overcommit_ratio", "50"},
	{"page-cluster", "3"}, {"panic_on_oom", "0"}, {"stat_interval", "1"}, {"swappiness", "60"},
	{"unprivileged_userfaultfd", "0"}, {"user_reserve_kbytes", "131072"}, {"vfs_cache_pressure", "100"},
	{"watermark_boost_factor", "15000"}, {"watermark_scale_factor", "10"}, {"zone_reclaim_mode", "0"},
}

var fsSettings = [...]setting{
	{"aio-max-nr", "65536"}, {"aio-nr", "0"}, {"dentry-state", "0\t0\t45\t0\t0\t0"}, {"dir-notify-enable", "1"},
	{"epoll/max_user_watches", "1048576"}, {"file-max", "9223372036854775807"}, {"inode-nr", "0\t0"},
	{"inode-state", "0\t0\t0\t0\t0\t0\t0"}, {"inotify/max_queued_events", "16384"}, {"inotify/max_user_instances", "128"},
	{"inotify/max_user_watches", "65536"}, {"lease-break-time", "45"}, {"leases-enable", "1"}, {"mount-max", "100000"},
	{"mqueue/msg_default", "10"}, {"mqueue/msg_max", "10"}, {"mqueue/msgsize_default", "8192"}, {"mqueue/msgsize_max", "8192"},
	{"mqueue/queues_max", "256"}, {"nr_open", "1048576"}, {"overflowgid", "65534"}, {"overflowuid", "65534"},
	{"pipe-max-size", "1048576"}, {"pipe-user-pages-hard", "0"}, {"pipe-user-pages-soft", "16384"}, {"protected_fifos", "1"},
	{"protected_hardlinks", "1"}, {"protected_regular", "2"}, {"protected_symlinks", "1"}, {"suid_dumpable", "0"},
}

var netSettings = [...]setting{
	{"core/default_qdisc", "pfifo_fast"}, {"core/netdev_max_backlog", "1000"}, {"core/optmem_max", "131072"},
	{"core/rmem_default", "212992"}, {"core/rmem_max", "212992"}, {"core/somaxconn", "4096"},
	{"core/wmem_default", "212992"}, {"core/wmem_max", "212992"},
	{"ipv4/conf/all/forwarding", "0"}, {"ipv4/conf/all/rp_filter", "0"}, {"ipv4/conf/default/forwarding", "0"},
	{"ipv4/conf/lo/forwarding", "0"}, {"ipv4/icmp_echo_ignore_all", "0"},
	{"ipv4/ip_default_ttl", "64"}, {"ipv4/ip_forward", "0"}, {"ipv4/ip_local_port_range", "32768\t60999"},
	{"ipv4/ip_local_reserved_ports", ""}, {"ipv4/ip_nonlocal_bind", "0"}, {"ipv4/ip_unprivileged_port_start", "1024"},
	{"ipv4/ping_group_range", "0\t2147483647"}, {"ipv4/tcp_allowed_congestion_control", "reno cubic"},
	{"ipv4/tcp_available_congestion_control", "reno cubic"}, {"ipv4/tcp_congestion_control", "cubic"}, {"ipv4/tcp_ecn", "2"},
	{"ipv4/tcp_fastopen", "1"}, {"ipv4/tcp_fin_timeout", "60"}, {"ipv4/tcp_keepalive_intvl", "75"},
	{"ipv4/tcp_keepalive_probes", "9"}, {"ipv4/tcp_keepalive_time", "7200"}, {"ipv4/tcp_max_syn_backlog", "1024"},
	{"ipv4/tcp_mem", "190545\t254061\t381090"}, {"ipv4/tcp_no_metrics_save", "0"}, {"ipv4/tcp_retries1", "3"},
	{"ipv4/tcp_retries2", "15"}, {"ipv4/tcp_rmem", "4096\t131072\t6291456"}, {"ipv4/tcp_sack", "1"},
	{"ipv4/tcp_slow_start_after_idle", "1"}, {"ipv4/tcp_syn_retries", "6"}, {"ipv4/tcp_synack_retries", "5"},
	{"ipv4/tcp_syncookies", "1"}, {"ipv4/tcp_timestamps", "1"}, {"ipv4/tcp_tw_reuse", "2"},
	{"ipv4/tcp_window_scaling", "1"}, {"ipv4/tcp_wmem", "4096\t16384\t4194304"}, {"ipv4/udp_mem", "381090\t508122\t762180"},
	{"ipv4/udp_rmem_min", "4096"}, {"ipv4/udp_wmem_min", "4096"},
	{"ipv6/bindv6only", "0"}, {"ipv6/conf/all/disable_ipv6", "0"}, {"ipv6/conf/all/forwarding", "0"},
	{"ipv6/conf/default/disable_ipv6", "0"}, {"ipv6/conf/lo/disable_ipv6", "0"}, {"unix/max_dgram_qlen", "512"},
}

var userSettings = [...]setting{
	{"max_cgroup_namespaces", "0"}, {"max_inotify_instances", "128"}, {"max_inotify_watches", "65536"},
	{"max_ipc_namespaces", "0"}, {"max_mnt_namespaces", "0"}, {"max_net_namespaces", "0"}, {"max_pid_namespaces", "0"},
	{"max_time_namespaces", "0"}, {"max_user_namespaces", "0"}, {"max_uts_namespaces", "0"},
}

func (p *FS) fillSysctl(d *kernfs.Dir) {
	d.AddDir("abi", 0o555, nil)
	d.AddDir("debug", 0o555, nil)
	d.AddDir("dev", 0o555, nil)
	for _, s := range [...]struct {
		name string
		list []setting
		more func(*sysctlDir)
	}{
		{"fs", fsSettings[:], p.fsSysctl}, {"kernel", kernelSettings[:], p.kernelSysctl}, {"net", netSettings[:], nil},
		{"user", userSettings[:], nil}, {"vm", vmSettings[:], nil},
	} {
		d.AddDir(s.name, 0o555, func(d *kernfs.Dir) {
			dir := &sysctlDir{p: p, prefix: s.name + "/", dirs: map[string]*kernfs.Dir{"": d}}
			for _, x := range s.list {
				dir.add(x.path, func() string { return x.value }, nil)
			}
			if s.more != nil {
				s.more(dir)
			}
		})
	}
}

// sysctlDir builds one tree of settings.
type sysctlDir struct {
	p      *FS
	prefix string
	dirs   map[string]*kernfs.Dir
}

func (s *sysctlDir) dir(path string) *kernfs.Dir {
	if d := s.dirs[path]; d != nil {
		return d
	}
	up, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		up, name = path[:i], path[i+1:]
	}
	d := s.dir(up).AddDir(name, 0o555, nil)
	s.dirs[path] = d
	return d
}

// add adds a setting. Without set it cannot be changed.
func (s *sysctlDir) add(path string, get func() string, set func(c *vfs.Context, v string) error) {
	up, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		up, name = path[:i], path[i+1:]
	}
	full := s.prefix + path
	f := s.dir(up).AddFile(name, 0o644, func(*vfs.Context) ([]byte, error) {
		if h := s.p.o.Sysctl; h != nil {
			if v, ok, err := h(full, nil); ok {
				return v, err
			}
		}
		return []byte(get() + "\n"), nil
	})
	f.WriteFn = func(c *vfs.Context, data []byte) error {
		if h := s.p.o.Sysctl; h != nil {
			if _, ok, err := h(full, trimLine(data)); ok {
				return err
			}
		}
		if set == nil {
			return linux.EPERM
		}
		return set(c, string(trimLine(data)))
	}
}

func (p *FS) fsSysctl(s *sysctlDir) {
	s.add("file-nr", func() string {
		n := int64(0)
		for _, g := range p.k.ThreadGroups() {
			if t := g.Leader(); t != nil && !g.Zombie() {
				if fds := t.FDs(); fds != nil {
					fds.Each(func(int32, *vfs.File, bool) { n++ })
				}
			}
		}
		return strconv.FormatInt(n, 10) + "\t0\t9223372036854775807"
	}, nil)
	s.dir("binfmt_misc")
}

// uts makes a setter for a name of uname(2).
func uts(set func(string)) func(*vfs.Context, string) error {
	return func(c *vfs.Context, v string) error {
		if !c.Cred.Has(cred.CapSysAdmin) {
			return linux.EPERM
		}
		set(v[:min(len(v), 64)])
		return nil
	}
}

func (p *FS) kernelSysctl(s *sysctlDir) {
	s.add("domainname", func() string { _, d := p.k.Hostname(); return d }, uts(p.k.SetDomain))
	s.add("hostname", func() string { h, _ := p.k.Hostname(); return h }, uts(p.k.SetHostname))
	s.add("ns_last_pid", func() string { return itoa(p.lastPID()) }, nil)
	s.add("osrelease", func() string { return p.o.Release }, nil)
	s.add("ostype", func() string { return "Linux" }, nil)
	s.add("pid_max", func() string { return strconv.Itoa(task.PIDMax) }, nil)
	s.add("threads-max", func() string { return strconv.Itoa(task.PIDMax) }, nil)
	s.add("version", func() string { return p.o.Version }, nil)
	s.add("pty/max", func() string { return strconv.Itoa(tty.MaxPtys) }, nil)
	s.add("pty/nr", func() string {
		if p.o.TTYs == nil {
			return "0"
		}
		return strconv.Itoa(p.o.TTYs.Count())
	}, nil)
	s.add("random/boot_id", sync.OnceValue(uuid), nil)
	s.add("random/uuid", uuid, nil)
	s.add("seccomp/actions_avail", func() string { return "kill_process kill_thread trap errno user_notif trace log allow" }, nil)
	s.add("seccomp/actions_logged", func() string { return "kill_process kill_thread trap errno user_notif trace log" }, nil)
}

// uuid returns a random UUID of version 4.
func uuid() string {
	var r [16]byte
	_ = host.Random(r[:]) // getrandom fails only for a bad address
	r[6] = r[6]&0x0f | 0x40
	r[8] = r[8]&0x3f | 0x80
	var b text
	for i, c := range r {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b.s("-")
		}
		b.hex(uint64(c), 2)
	}
	return string(b)
}
