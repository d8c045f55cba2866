package sys

import (
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/vfs"
)

func (s *sysfs) interfaces() []Interface {
	if s.cfg.Interfaces == nil {
		return nil
	}
	return s.cfg.Interfaces()
}

func (s *sysfs) find(name string) (Interface, bool) {
	for _, i := range s.interfaces() {
		if i.Name == name {
			return i, true
		}
	}
	return Interface{}, false
}

// list emits the interfaces as entries of dir.
func (s *sysfs) list(dir uint64, typ uint8, from int64, emit func(kernfs.Entry) bool) {
	for _, i := range s.interfaces() {
		if int64(i.Index) >= from && !emit(kernfs.Entry{Name: i.Name, Ino: kernfs.ChildIno(dir, i.Name), Type: typ, Key: int64(i.Index)}) {
			return
		}
	}
}

// netClass is /sys/class/net: links to the devices.
type netClass struct {
	s   *sysfs
	dir *kernfs.Dir
}

// Lookup implements kernfs.Dynamic.
func (n *netClass) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	if _, ok := n.s.find(name); !ok {
		return nil, linux.ENOENT
	}
	return kernfs.NewSymlink(n.dir.FileSystem().(*kernfs.FS), kernfs.ChildIno(n.dir.InodeNumber(), name), func(*vfs.Context) (string, error) {
		return "../../devices/virtual/net/" + name, nil
	}), nil
}

// List implements kernfs.Dynamic.
func (n *netClass) List(_ *vfs.Context, from int64, emit func(kernfs.Entry) bool) error {
	n.s.list(n.dir.InodeNumber(), linux.DT_LNK, from, emit)
	return nil
}

// netDevices is /sys/devices/virtual/net.
type netDevices struct {
	s   *sysfs
	dir *kernfs.Dir
}

// List implements kernfs.Dynamic.
func (n *netDevices) List(_ *vfs.Context, from int64, emit func(kernfs.Entry) bool) error {
	n.s.list(n.dir.InodeNumber(), linux.DT_DIR, from, emit)
	return nil
}

// Lookup implements kernfs.Dynamic.
func (n *netDevices) Lookup(_ *vfs.Context, name string) (vfs.Inode, error) {
	i, ok := n.s.find(name)
	if !ok {
		return nil, linux.ENOENT
	}
	return n.dir.NewSub(name, 0o755, func(d *kernfs.Dir) { fillInterface(d, &i) }), nil
}

func fillInterface(d *kernfs.Dir, i *Interface) {
	typ, state, broadcast := "1", "up", "ff:ff:ff:ff:ff:ff"
	if i.Loopback {
		typ, state, broadcast = "772", "unknown", "00:00:00:00:00:00"
	}
	mac := make([]string, 6)
	for k, b := range i.Address {
		mac[k] = string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15])
	}
	idx := strconv.Itoa(i.Index)
	for _, f := range [...][2]string{
		{"addr_assign_type", "0"}, {"addr_len", "6"}, {"address", strings.Join(mac, ":")},
		{"broadcast", broadcast}, {"carrier", "1"}, {"dev_id", "0x0"}, {"dev_port", "0"}, {"dormant", "0"},
		{"flags", "0x" + strconv.FormatUint(uint64(i.Flags), 16)}, {"group", "0"},
		{"ifalias", ""}, {"ifindex", idx}, {"iflink", idx}, {"link_mode", "0"}, {"mtu", strconv.Itoa(i.MTU)},
		{"operstate", state}, {"proto_down", "0"}, {"tx_queue_len", "1000"}, {"type", typ},
	} {
		d.AddText(f[0], 0o444, f[1]+"\n")
	}
	d.AddLink("subsystem", "../../../../class/net")
	d.AddDir("statistics", 0o755, func(d *kernfs.Dir) {
		for _, n := range []string{
			"collisions", "multicast", "rx_bytes", "rx_compressed", "rx_crc_errors", "rx_dropped", "rx_errors",
			"rx_fifo_errors", "rx_frame_errors", "rx_length_errors", "rx_missed_errors", "rx_nohandler",
			"rx_over_errors", "rx_packets", "tx_aborted_errors", "tx_bytes", "tx_carrier_errors",
			"tx_compressed", "tx_dropped", "tx_errors", "tx_fifo_errors", "tx_heartbeat_errors",
			"tx_packets", "tx_window_errors",
		} {
			d.AddText(n, 0o444, "0\n")
		}
	})
	d.AddDir("queues", 0o755, func(d *kernfs.Dir) {
		d.AddDir("rx-0", 0o755, nil)
		d.AddDir("tx-0", 0o755, nil)
	})
}
