package ptrace

import (
	"sentinel/internal/platform"
	"sentinel/internal/platform/guestmem"
	"sentinel/internal/platform/stub"
)

// space is a guest address space: one host mm.
type space struct {
	guestmem.Space
	auxv guestmem.Auxv
}

// Reserved implements platform.AddressSpace.
func (s *space) Reserved() (start, end uint64) { return stub.Start, stub.End }

// Auxv implements platform.AddressSpace.
func (s *space) Auxv(tag uint64) uint64 { return s.auxv.Get(tag) }

// CompareAndSwap implements platform.AddressSpace.
func (s *space) CompareAndSwap(th platform.Thread, addr uint64, old, new uint32) (uint32, error) {
	t := th.(*thread)
	r := t.blank(stub.CAS)
	r.RDI, r.RAX, r.RCX = addr, uint64(old), uint64(new)
	if err := t.runStub(&r); err != nil {
		return 0, err
	}
	return uint32(r.RAX), nil
}
