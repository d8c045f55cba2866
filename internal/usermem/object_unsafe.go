package usermem

import (
	"slices"
	"unsafe"
)

// CopyInObject reads a value of type T, which must have the guest's layout and
// hold no Go pointer.
func CopyInObject[T any](m Memory, addr uint64, v *T) error {
	// SAFETY: the slice covers exactly v, which lives through the call.
	_, err := m.CopyIn(addr, unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
	return err
}

// CopyOutObject writes a value of type T, which must have the guest's layout,
// no Go pointer and no implicit padding.
func CopyOutObject[T any](m Memory, addr uint64, v *T) error {
	// SAFETY: as in CopyInObject.
	_, err := m.CopyOut(addr, unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)))
	return err
}

// CopyOutObjectLast is CopyOutObject by CopyOutLast. v may be on the stack and
// stays there.
func CopyOutObjectLast[T any](m Memory, addr uint64, v *T) error {
	b := AsBytes(v)
	if l, ok := m.(LastWriter); ok {
		if out := l.OutBuffer(len(b)); out != nil {
			copy(out, b)
			if l.CopyOutLast(addr, out) {
				return nil
			}
		}
	}
	return CopyOutLast(m, addr, slices.Clone(b))
}

// CopyInSlice fills vs from an array of T at addr.
func CopyInSlice[T any](m Memory, addr uint64, vs []T) error {
	if len(vs) == 0 {
		return nil
	}
	// SAFETY: the slice covers exactly the elements of vs.
	_, err := m.CopyIn(addr, unsafe.Slice((*byte)(unsafe.Pointer(&vs[0])), uintptr(len(vs))*unsafe.Sizeof(vs[0])))
	return err
}

// CopyOutSlice writes the elements of vs as an array at addr.
func CopyOutSlice[T any](m Memory, addr uint64, vs []T) error {
	if len(vs) == 0 {
		return nil
	}
	// SAFETY: as in CopyInSlice.
	_, err := m.CopyOut(addr, unsafe.Slice((*byte)(unsafe.Pointer(&vs[0])), uintptr(len(vs))*unsafe.Sizeof(vs[0])))
	return err
}

// CopyOutSliceLast is CopyOutSlice by CopyOutLast.
func CopyOutSliceLast[T any](m Memory, addr uint64, vs []T) error {
	if len(vs) == 0 {
		return nil
	}
	// SAFETY: as in CopyInSlice.
	return CopyOutLast(m, addr, unsafe.Slice((*byte)(unsafe.Pointer(&vs[0])), uintptr(len(vs))*unsafe.Sizeof(vs[0])))
}

// AsBytes returns the bytes of v, for building structures in buffers. T is as
// in CopyOutObject.
func AsBytes[T any](v *T) []byte {
	// SAFETY: as in CopyInObject; the caller keeps v alive with the slice.
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}
