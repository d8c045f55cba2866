package sock

import (
	"encoding/binary"

	"sentinel/internal/abi/linux"
)

// CmsgHeader is the size of struct cmsghdr: length (8 bytes), level and type
// (4 each).
const CmsgHeader = 16

// MaxControl bounds the control messages of one send: optmem_max.
const MaxControl = 128 << 10

func cmsgAlign(n int) int { return (n + 7) &^ 7 }

// PutCmsg appends a control message to m as put_cmsg in net/core/scm.c does:
// what does not fit is cut and MSG_CTRUNC set in flags.
func (m *Msg) PutCmsg(flags *int, level, typ int, data []byte) {
	room := m.Control[m.ControlN:]
	if len(room) < CmsgHeader {
		*flags |= linux.MSG_CTRUNC
		return
	}
	n := CmsgHeader + len(data)
	if n > len(room) {
		*flags |= linux.MSG_CTRUNC
		n = len(room)
	}
	binary.NativeEndian.PutUint64(room, uint64(n))
	binary.NativeEndian.PutUint32(room[8:], uint32(level))
	binary.NativeEndian.PutUint32(room[12:], uint32(typ))
	copy(room[CmsgHeader:n], data)
	end := min(cmsgAlign(n), len(room))
	clear(room[n:end])
	m.ControlN += end
}

// EachCmsg calls fn for every control message in b. A malformed one is EINVAL,
// as CMSG_OK in include/linux/socket.h has it.
func EachCmsg(b []byte, fn func(level, typ int, data []byte) error) error {
	for len(b) >= CmsgHeader {
		n := binary.NativeEndian.Uint64(b)
		if n < CmsgHeader || n > uint64(len(b)) {
			return linux.EINVAL
		}
		level := int(int32(binary.NativeEndian.Uint32(b[8:])))
		typ := int(int32(binary.NativeEndian.Uint32(b[12:])))
		if err := fn(level, typ, b[CmsgHeader:n]); err != nil {
			return err
		}
		b = b[min(cmsgAlign(int(n)), len(b)):]
	}
	return nil
}
