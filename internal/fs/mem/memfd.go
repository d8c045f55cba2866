package mem

import (
	"sentinel/internal/abi/linux"
	"sentinel/internal/host"
	"sentinel/internal/vfs"
)

// Seals of fcntl(2), include/uapi/linux/fcntl.h.
const (
	sealSeal        = 1
	sealShrink      = 2
	sealGrow        = 4
	sealWrite       = 8
	sealFutureWrite = 16
	sealExec        = 32
	sealAll         = 63
)

// memfd is the description of a file of memfd_create(2); it adds seals.
type memfd struct{ file }

// NewMemfd makes the file of memfd_create(2) and opens it. With sealable seals
// can be added; execSealed sets those of MFD_NOEXEC_SEAL.
func (fs *FS) NewMemfd(c *vfs.Context, name string, sealable, execSealed bool) (*vfs.File, error) {
	mode := uint32(linux.S_IFREG | 0o777)
	if execSealed {
		mode = linux.S_IFREG | 0o666
	}
	n := vfs.NewInode{Mode: mode}
	if c.Cred != nil {
		n.UID, n.GID = c.Cred.FSUID, c.Cred.FSGID
	}
	ino, err := fs.root.CreateUnlinked(c, &n)
	if err != nil {
		return nil, err
	}
	r := ino.(*Regular)
	if err := r.opened(); err != nil {
		return nil, err
	}
	switch {
	case execSealed:
		r.seals = sealExec
	case !sealable:
		r.seals = sealSeal
	}
	full := "/memfd:" + name
	f := vfs.NewFile(&memfd{file{r: r}}, vfs.AnonPath(full, r), r, linux.O_RDWR)
	f.Name = full + " (deleted)"
	return f, nil
}

// Seals returns the seals (F_GET_SEALS).
func (m *memfd) Seals() (uint32, error) {
	m.r.mu.RLock()
	defer m.r.mu.RUnlock()
	return m.r.seals, nil
}

// AddSeals adds seals (F_ADD_SEALS, memfd_add_seals in mm/memfd.c). A file that
// was ever mapped shared and writable is sealed against writing on the host,
// which alone knows whether it still is.
func (m *memfd) AddSeals(f *vfs.File, seals uint32) error {
	if seals&^sealAll != 0 {
		return linux.EINVAL
	}
	if !f.Writable() {
		return linux.EPERM
	}
	r := m.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seals&sealSeal != 0 {
		return linux.EPERM
	}
	if seals&sealWrite != 0 && r.seals&sealWrite == 0 && r.c.shared {
		r.c.dropView()
		if err := host.SealWrite(r.c.fd); err != nil {
			return hostErr(err)
		}
	}
	if seals&sealExec != 0 && r.attr.Mode&0o111 != 0 {
		seals |= sealShrink | sealGrow | sealWrite | sealFutureWrite
	}
	r.seals |= seals
	return nil
}

// mayWrite checks the seals before n bytes are written at off; r.mu is held.
func (r *Regular) mayWrite(off, n int64) error {
	if r.seals&(sealWrite|sealFutureWrite) != 0 {
		return linux.EPERM
	}
	if r.seals&sealGrow != 0 && off+n > r.c.size {
		return linux.EPERM
	}
	return nil
}

// mayResize checks the seals before a change of size; r.mu is held.
func (r *Regular) mayResize(size int64) error {
	if r.seals&sealShrink != 0 && size < r.c.size || r.seals&sealGrow != 0 && size > r.c.size {
		return linux.EPERM
	}
	return nil
}
