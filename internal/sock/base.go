package sock

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/waiter"
)

// Limits of queues, and of buffer sizes in bytes with their defaults, by
// net/core/sock.c and its sysctls.
const (
	Somaxconn  = 4096 // net.core.somaxconn, of listen(2)
	DefaultBuf = 212992
	maxBuf     = 212992
	minSndBuf  = 4608
	minRcvBuf  = 2304
)

// Base is what all sockets have: their type and the options of SOL_SOCKET that
// mean the same everywhere. It is embedded in each family's socket.
type Base struct {
	Family, Type, Protocol int
	Ino                    uint64 // for "socket:[N]" and /proc/net
	vfs                    *vfs.VFS
	UID                    uint32
	gid                    uint32
	Queue                  waiter.Queue

	rcvTimeo, sndTimeo atomic.Int64 // nanoseconds; 0 is for ever
	err                atomic.Int32 // pending error (sk_err)
	flags              atomic.Uint32
	sndBuf, rcvBuf     atomic.Int32
	lowat              atomic.Int32
	linger             atomic.Int64 // seconds+1, 0 is off
	priority           atomic.Int32
	peekOff            atomic.Int32
}

// InitPeer is Init of a socket that the kernel makes because of o, which is of the
// same family, and that has its user.
func (b *Base) InitPeer(o *Base, typ, protocol int) {
	b.Init(nil, o.Family, typ, protocol)
	b.vfs, b.UID = o.vfs, o.UID
	b.Ino = b.vfs.NewIno()
}

// Flags of Base.
const (
	FlagReuseAddr = 1 << iota
	FlagReusePort
	FlagKeepAlive
	FlagBroadcast
	FlagOOBInline
	FlagPassCred
	FlagDontRoute
	FlagTimestamp
	FlagTimestampNS
	FlagNoCheck
	FlagDebug
	FlagPassSec
	FlagRxqOvfl
)

// Init sets the fixed fields; c may be nil.
func (b *Base) Init(c *vfs.Context, family, typ, protocol int) {
	b.Family, b.Type, b.Protocol = family, typ, protocol
	b.vfs = c.VFS()
	b.Ino = b.vfs.NewIno()
	if c != nil && c.Cred != nil {
		b.UID, b.gid = c.Cred.FSUID, c.Cred.FSGID
	}
	b.sndBuf.Store(DefaultBuf)
	b.rcvBuf.Store(DefaultBuf)
	b.lowat.Store(1)
	b.peekOff.Store(-1)
}

// Common implements Socket.
func (b *Base) Common() *Base { return b }

// EventRegister implements waiter.Waitable.
func (b *Base) EventRegister(e *waiter.Entry, mask waiter.Mask) { b.Queue.Register(e, mask) }

// EventUnregister implements waiter.Waitable.
func (b *Base) EventUnregister(e *waiter.Entry) { b.Queue.Unregister(e) }

// RecvDeadline returns when a receive that starts now times out; zero for
// never.
func (b *Base) RecvDeadline() time.Time { return deadline(b.rcvTimeo.Load()) }

// SendDeadline is RecvDeadline for sends and connect.
func (b *Base) SendDeadline() time.Time { return deadline(b.sndTimeo.Load()) }

func deadline(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(ns))
}

// Flag reports whether an option is on.
func (b *Base) Flag(f uint32) bool { return b.flags.Load()&f != 0 }

// SetFlag turns an option on or off.
func (b *Base) SetFlag(f uint32, on bool) {
	if on {
		b.flags.Or(f)
	} else {
		b.flags.And(^f)
	}
}

// SndBuf and RcvBuf are the buffer sizes in bytes as getsockopt tells them.
func (b *Base) SndBuf() int { return int(b.sndBuf.Load()) }

// RcvBuf returns the size of the receive buffer.
func (b *Base) RcvBuf() int { return int(b.rcvBuf.Load()) }

// LowWater is SO_RCVLOWAT.
func (b *Base) LowWater() int { return int(b.lowat.Load()) }

// Linger returns SO_LINGER.
func (b *Base) Linger() (on bool, seconds int) {
	v := b.linger.Load()
	return v != 0, int(max(v-1, 0))
}

// SetErr sets the pending error and TakeErr takes it.
func (b *Base) SetErr(e linux.Errno) { b.err.Store(int32(e)) }

// TakeErr returns the pending error, or nil, and clears it.
func (b *Base) TakeErr() error {
	if b.err.Load() == 0 {
		return nil
	}
	if e := b.err.Swap(0); e != 0 {
		return linux.Errno(e)
	}
	return nil
}

// HasErr reports whether an error is pending.
func (b *Base) HasErr() bool { return b.err.Load() != 0 }

// CopyOptions gives b the options that an accepted socket inherits.
func (b *Base) CopyOptions(from *Base) {
	b.flags.Store(from.flags.Load())
	b.sndBuf.Store(from.sndBuf.Load())
	b.rcvBuf.Store(from.rcvBuf.Load())
	b.rcvTimeo.Store(from.rcvTimeo.Load())
	b.sndTimeo.Store(from.sndTimeo.Load())
	b.linger.Store(from.linger.Load())
	b.lowat.Store(from.lowat.Load())
	b.priority.Store(from.priority.Load())
}

// Int reads an option value as an int.
func Int(val []byte) (int, error) {
	if len(val) < 4 {
		return 0, linux.EINVAL
	}
	return int(int32(binary.NativeEndian.Uint32(val))), nil
}

// PutInt writes an int as an option value, cut to the room in buf.
func PutInt(buf []byte, v int) int {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(int32(v)))
	return copy(buf, b[:])
}

// PutBool is PutInt of 0 or 1.
func PutBool(buf []byte, v bool) int {
	if v {
		return PutInt(buf, 1)
	}
	return PutInt(buf, 0)
}

var flagOptions = [...]struct {
	name int
	flag uint32
}{
	{linux.SO_REUSEADDR, FlagReuseAddr}, {linux.SO_REUSEPORT, FlagReusePort},
	{linux.SO_KEEPALIVE, FlagKeepAlive}, {linux.SO_BROADCAST, FlagBroadcast},
	{linux.SO_OOBINLINE, FlagOOBInline}, {linux.SO_PASSCRED, FlagPassCred},
	{linux.SO_DONTROUTE, FlagDontRoute}, {linux.SO_TIMESTAMP_OLD, FlagTimestamp},
	{linux.SO_TIMESTAMPNS_OLD, FlagTimestampNS}, {linux.SO_NO_CHECK, FlagNoCheck},
	{linux.SO_PASSSEC, FlagPassSec}, {linux.SO_RXQ_OVFL, FlagRxqOvfl},
}

// SetCommon does setsockopt for SOL_SOCKET options that need nothing of the
// family; ENOPROTOOPT for the rest.
func (b *Base) SetCommon(c *vfs.Context, name int, val []byte) error {
	switch name {
	case linux.SO_LINGER:
		if len(val) < 8 {
			return linux.EINVAL
		}
		on, _ := Int(val)
		sec, _ := Int(val[4:])
		if on == 0 {
			b.linger.Store(0)
		} else {
			b.linger.Store(int64(max(sec, 0)) + 1)
		}
		return nil
	case linux.SO_RCVTIMEO_OLD, linux.SO_RCVTIMEO_NEW:
		return setTimeo(&b.rcvTimeo, val)
	case linux.SO_SNDTIMEO_OLD, linux.SO_SNDTIMEO_NEW:
		return setTimeo(&b.sndTimeo, val)
	}
	v, err := Int(val)
	if err != nil {
		return err
	}
	for _, o := range flagOptions {
		if o.name == name {
			b.SetFlag(o.flag, v != 0)
			return nil
		}
	}
	switch name {
	case linux.SO_SNDBUF:
		b.sndBuf.Store(int32(max(min(uint32(v), maxBuf)*2, minSndBuf)))
		b.Queue.Notify(waiter.Writable)
	case linux.SO_RCVBUF:
		b.rcvBuf.Store(int32(max(min(uint32(v), maxBuf)*2, minRcvBuf)))
	case linux.SO_SNDBUFFORCE, linux.SO_RCVBUFFORCE, linux.SO_MARK:
		return linux.EPERM
	case linux.SO_RCVLOWAT:
		if v < 0 {
			v = 1<<31 - 1
		}
		b.lowat.Store(int32(max(v, 1)))
	case linux.SO_PRIORITY:
		if v < 0 || v > 6 {
			return linux.EPERM
		}
		b.priority.Store(int32(v))
	case linux.SO_DEBUG:
		if v != 0 {
			return linux.EACCES
		}
	case linux.SO_PEEK_OFF:
		if b.Family != linux.AF_UNIX {
			return linux.EOPNOTSUPP
		}
		if v < -1 {
			return linux.EINVAL
		}
		b.peekOff.Store(int32(v))
	case linux.SO_BINDTODEVICE:
		return linux.EPERM
	case linux.SO_BSDCOMPAT, linux.SO_TIMESTAMPING_OLD, linux.SO_SELECT_ERR_QUEUE, linux.SO_BUSY_POLL:
	default:
		return linux.ENOPROTOOPT
	}
	return nil
}

// GetCommon is GetOpt of the options of SetCommon and of those that tell what
// a socket is.
func (b *Base) GetCommon(name int, buf []byte) (int, error) {
	for _, o := range flagOptions {
		if o.name == name {
			return PutBool(buf, b.Flag(o.flag)), nil
		}
	}
	switch name {
	case linux.SO_TYPE:
		return PutInt(buf, b.Type), nil
	case linux.SO_DOMAIN:
		return PutInt(buf, b.Family), nil
	case linux.SO_PROTOCOL:
		return PutInt(buf, b.Protocol), nil
	case linux.SO_ERROR:
		e := b.err.Swap(0)
		return PutInt(buf, int(e)), nil
	case linux.SO_SNDBUF:
		return PutInt(buf, b.SndBuf()), nil
	case linux.SO_RCVBUF:
		return PutInt(buf, b.RcvBuf()), nil
	case linux.SO_RCVLOWAT:
		return PutInt(buf, b.LowWater()), nil
	case linux.SO_SNDLOWAT:
		return PutInt(buf, 1), nil
	case linux.SO_PRIORITY:
		return PutInt(buf, int(b.priority.Load())), nil
	case linux.SO_PEEK_OFF:
		if b.Family != linux.AF_UNIX {
			return 0, linux.EOPNOTSUPP
		}
		return PutInt(buf, int(b.peekOff.Load())), nil
	case linux.SO_LINGER:
		var v [8]byte
		if on, sec := b.Linger(); on {
			PutInt(v[:], 1)
			PutInt(v[4:], sec)
		}
		return copy(buf, v[:]), nil
	case linux.SO_RCVTIMEO_OLD, linux.SO_RCVTIMEO_NEW:
		return getTimeo(&b.rcvTimeo, buf), nil
	case linux.SO_SNDTIMEO_OLD, linux.SO_SNDTIMEO_NEW:
		return getTimeo(&b.sndTimeo, buf), nil
	case linux.SO_BINDTODEVICE:
		return 0, nil
	case linux.SO_COOKIE:
		var v [8]byte
		binary.NativeEndian.PutUint64(v[:], b.Ino)
		return copy(buf, v[:]), nil
	case linux.SO_BSDCOMPAT, linux.SO_DEBUG, linux.SO_MARK, linux.SO_INCOMING_CPU, linux.SO_BUSY_POLL,
		linux.SO_SELECT_ERR_QUEUE, linux.SO_TIMESTAMPING_OLD, linux.SO_INCOMING_NAPI_ID:
		return PutInt(buf, 0), nil
	}
	return 0, linux.ENOPROTOOPT
}

// setTimeo reads a struct timeval (sock_set_timeout in net/core/sock.c).
func setTimeo(t *atomic.Int64, val []byte) error {
	if len(val) < 16 {
		return linux.EINVAL
	}
	sec := int64(binary.NativeEndian.Uint64(val))
	usec := int64(binary.NativeEndian.Uint64(val[8:]))
	if usec < 0 || usec >= 1e6 {
		return linux.EDOM
	}
	switch {
	case sec < 0:
		// Times out at once; one nanosecond is as good.
		t.Store(1)
	case sec > 1<<33:
		t.Store(0)
	default:
		t.Store(sec*1e9 + usec*1e3)
	}
	return nil
}

func getTimeo(t *atomic.Int64, buf []byte) int {
	var v [16]byte
	ns := t.Load()
	binary.NativeEndian.PutUint64(v[:], uint64(ns/1e9))
	binary.NativeEndian.PutUint64(v[8:], uint64(ns%1e9/1e3))
	return copy(buf, v[:])
}

// PeekOff is SO_PEEK_OFF; -1 is off.
func (b *Base) PeekOff() int { return int(b.peekOff.Load()) }

// MovePeekOff moves the peek offset, if it is on, by n, never below zero.
func (b *Base) MovePeekOff(n int) {
	if o := b.peekOff.Load(); o >= 0 && n != 0 {
		b.peekOff.Store(max(o+int32(n), 0))
	}
}

// PutUserInt writes an int to the caller's memory.
func PutUserInt(c *vfs.Context, addr uint64, v int) error {
	x := int32(v)
	return usermem.CopyOutObject(c.Mem, addr, &x)
}
