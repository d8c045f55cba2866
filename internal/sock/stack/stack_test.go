package stack

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"sentinel/internal/abi/linux"
	"sentinel/internal/cred"
	"sentinel/internal/fs/mem"
	"sentinel/internal/hostpoll"
	"sentinel/internal/sock"
	"sentinel/internal/vfs"
)

func sun(path string) []byte {
	return append(binary.NativeEndian.AppendUint16(nil, linux.AF_UNIX), path...)
}

// TestPathNames binds and connects by way of a real file system.
func TestPathNames(t *testing.T) {
	v := vfs.New(mem.New(mem.Options{}))
	root := v.Root()
	ctx := func(uid uint32, caps cred.CapSet) *vfs.Context {
		return &vfs.Context{
			Cred: cred.New(uid, uid, nil, caps), FS: vfs.NewFSContext(root, root, 0o022),
			FDs: vfs.NewFDTable(v, func() uint64 { return 1024 }),
		}
	}
	c, user := ctx(0, cred.AllCaps), ctx(1000, 0)
	st := New(None, v, new(hostpoll.Poller))
	open := func() sock.Socket {
		s, err := st.Socket(c, linux.AF_UNIX, linux.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	check := func(what string, got, want error) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("mkdir", v.MkdirAt(c, vfs.Path{}, "/run", 0o755), nil)
	check("mknod", v.MknodAt(c, vfs.Path{}, "/run/file", linux.S_IFREG|0o666, 0, 0), nil)
	l := open()
	check("bind by a user", open().Bind(user, sun("/run/s")), linux.EACCES)
	check("bind", l.Bind(c, sun("/run/s\x00padding")), nil)
	check("bind again", open().Bind(c, sun("/run/s")), linux.EADDRINUSE)
	check("bind nowhere", open().Bind(c, sun("/none/s")), linux.ENOENT)
	check("listen", l.Listen(c, 5), nil)
	check("connect to a file", open().Connect(c, sun("/run/file")), linux.ECONNREFUSED)
	check("connect to nothing", open().Connect(c, sun("/run/none")), linux.ENOENT)
	check("connect without permission", open().Connect(user, sun("/run/s")), linux.EACCES)
	check("connect", open().Connect(c, sun("/run/s")), nil)
	check("link", v.LinkAt(c, vfs.Path{}, "/run/s", vfs.Path{}, "/run/hard", 0), nil)
	check("connect by another name", open().Connect(c, sun("/run/hard")), nil)
	check("rename", v.RenameAt(c, vfs.Path{}, "/run/hard", vfs.Path{}, "/run/moved", 0), nil)
	check("connect after rename", open().Connect(c, sun("/run/moved")), nil)
	check("unlink", v.UnlinkAt(c, vfs.Path{}, "/run/s", 0), nil)
	check("connect after unlink", open().Connect(c, sun("/run/s")), linux.ENOENT)
	if text, _ := st.ProcNet("unix"); !strings.Contains(text, " 00010000 0001 01 ") || !strings.Contains(text, " /run/s\n") {
		t.Errorf("/proc/net/unix:\n%s", text)
	}
	l.Close()
	check("connect after close", open().Connect(c, sun("/run/moved")), linux.ECONNREFUSED)
}

func TestFamilies(t *testing.T) {
	for _, network := range []Network{None, Host, HostDirect} {
		st, c := New(network, nil, new(hostpoll.Poller)), &vfs.Context{}
		for _, w := range []struct {
			family, typ, protocol int
			err                   error
		}{
			{linux.AF_UNIX, linux.SOCK_STREAM, 0, nil},
			{linux.AF_INET, linux.SOCK_STREAM, 0, nil},
			{linux.AF_INET6, linux.SOCK_DGRAM, linux.IPPROTO_UDP, nil},
			{linux.AF_INET, linux.SOCK_RAW, linux.IPPROTO_ICMP, linux.EPERM},
			{linux.AF_NETLINK, linux.SOCK_RAW, linux.NETLINK_ROUTE, nil},
			{linux.AF_NETLINK, linux.SOCK_RAW, linux.NETLINK_KOBJECT_UEVENT, linux.EPROTONOSUPPORT},
			{linux.AF_PACKET, linux.SOCK_RAW, 0, linux.EPERM},
			{linux.AF_ALG, linux.SOCK_SEQPACKET, 0, linux.EAFNOSUPPORT},
			{-1, linux.SOCK_STREAM, 0, linux.EAFNOSUPPORT},
		} {
			s, err := st.Socket(c, w.family, w.typ, w.protocol)
			if err != w.err {
				t.Errorf("network %d, socket(%d, %d, %d): %v, want %v", network, w.family, w.typ, w.protocol, err, w.err)
			}
			if err == nil {
				f := sock.NewFile(s, linux.O_NONBLOCK)
				if a, _ := f.Ino.Attr(); a.Type() != linux.S_IFSOCK {
					t.Errorf("mode %o", a.Mode)
				}
				f.DecRef()
			}
		}
		if _, _, err := st.SocketPair(c, linux.AF_INET, linux.SOCK_STREAM, 0); err != linux.EOPNOTSUPP {
			t.Errorf("socketpair of AF_INET: %v", err)
		}
		for _, n := range st.ProcNetNames() {
			if text, ok := st.ProcNet(n); !ok || !strings.HasSuffix(text, "\n") {
				t.Errorf("/proc/net/%s: %q, %v", n, text, ok)
			}
		}
		if !slices.IsSorted(st.ProcNetNames()) {
			t.Error("names are not sorted")
		}
	}
}
