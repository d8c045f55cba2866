// Package loader reads ELF programs and "#!" scripts. It parses; package task
// maps. A program is hostile input.
package loader

import (
	"encoding/binary"

	"sentinel/internal/abi/linux"
)

// Kind tells what a file that is to be executed is.
type Kind uint8

// Kinds of programs.
const (
	ELF Kind = iota + 1
	Script
)

// Segment is a PT_LOAD program header, page-aligned where it must be.
type Segment struct {
	Offset, Vaddr, Filesz, Memsz uint64
	Prot                         uint32 // linux.PROT_*
}

// Image is a parsed ELF program.
type Image struct {
	Entry     uint64
	PhdrAddr  uint64 // address of the program headers in the image, unbiased; 0 if not mapped
	Phent     uint16
	Phnum     uint16
	Dyn       bool // ET_DYN: may be placed anywhere
	Segments  []Segment
	Interp    string // path of the dynamic linker, or ""
	StackExec bool
	// Lo and Hi are the page-aligned extent of the segments.
	Lo, Hi uint64
	Align  uint64 // largest p_align
}

// ReaderAt reads the program; short reads are errors.
type ReaderAt interface {
	ReadAt(b []byte, off int64) (int, error)
}

const (
	pageSize   = 4096
	pageMask   = pageSize - 1
	maxPhdrs   = 65536 / phdrSize // ELF_MIN_ALIGN limit of load_elf_phdrs
	ehdrSize   = 64
	phdrSize   = 56
	ptLoad     = 1
	ptInterp   = 3
	ptGNUStack = 0x6474e551
	etExec     = 2
	etDyn      = 3
	taskSize   = 1<<47 - pageSize
	pathMax    = 4096
)

// Identify looks at the first bytes of a file.
func Identify(head []byte) (Kind, error) {
	switch {
	case len(head) >= 2 && head[0] == '#' && head[1] == '!':
		return Script, nil
	case len(head) >= 4 && string(head[:4]) == "\x7fELF":
		return ELF, nil
	}
	return 0, linux.ENOEXEC
}

// ParseELF reads the headers of a program (load_elf_binary in
// fs/binfmt_elf.c). Anything that is not a 64-bit program of this machine is
// ENOEXEC.
func ParseELF(r ReaderAt, size int64) (*Image, error) {
	var eh [ehdrSize]byte
	if _, err := r.ReadAt(eh[:], 0); err != nil {
		return nil, linux.ENOEXEC
	}
	le := binary.LittleEndian
	if string(eh[:4]) != "\x7fELF" || eh[4] != 2 || eh[5] != 1 || le.Uint16(eh[18:]) != machine {
		return nil, linux.ENOEXEC
	}
	typ := le.Uint16(eh[16:])
	if typ != etExec && typ != etDyn {
		return nil, linux.ENOEXEC
	}
	phoff := le.Uint64(eh[32:])
	img := &Image{Entry: le.Uint64(eh[24:]), Phent: le.Uint16(eh[54:]), Phnum: le.Uint16(eh[56:]), Dyn: typ == etDyn}
	if img.Phent != phdrSize || img.Phnum == 0 || int(img.Phnum) > maxPhdrs {
		return nil, linux.ENOEXEC
	}
	if phoff > uint64(size) {
		return nil, linux.ENOEXEC
	}
	ph := make([]byte, int(img.Phnum)*phdrSize)
	if _, err := r.ReadAt(ph, int64(phoff)); err != nil {
		return nil, linux.ENOEXEC
	}
	img.Lo = ^uint64(0)
	for i := 0; i < int(img.Phnum); i++ {
		p := ph[i*phdrSize:]
		flags := le.Uint32(p[4:])
		off, vaddr, filesz, memsz, align := le.Uint64(p[8:]), le.Uint64(p[16:]), le.Uint64(p[32:]), le.Uint64(p[40:]), le.Uint64(p[48:])
		switch le.Uint32(p) {
		case ptLoad:
			if err := img.addSegment(off, vaddr, filesz, memsz, align, flags, size); err != nil {
				return nil, err
			}
			if phoff >= off && phoff-off < filesz {
				img.PhdrAddr = phoff - off + vaddr
			}
		case ptInterp:
			if img.Interp != "" {
				continue
			}
			if filesz < 2 || filesz > pathMax {
				return nil, linux.ENOEXEC
			}
			b := make([]byte, filesz)
			if off > uint64(size) {
				return nil, linux.ENOEXEC
			}
			if _, err := r.ReadAt(b, int64(off)); err != nil || b[filesz-1] != 0 {
				return nil, linux.ENOEXEC
			}
			for j, c := range b {
				if c == 0 {
					img.Interp = string(b[:j])
					break
				}
			}
			if img.Interp == "" {
				return nil, linux.ENOEXEC
			}
		case ptGNUStack:
			img.StackExec = flags&1 != 0
		}
	}
	if len(img.Segments) == 0 {
		return nil, linux.ENOEXEC
	}
	return img, nil
}

func (img *Image) addSegment(off, vaddr, filesz, memsz, align uint64, flags uint32, size int64) error {
	if memsz == 0 {
		return nil
	}
	end := vaddr + memsz
	switch {
	case filesz > memsz, end < vaddr, end > taskSize, off+filesz < off,
		(off^vaddr)&pageMask != 0 && filesz > 0:
		return linux.ENOEXEC
	case filesz > 0 && off > uint64(size):
		return linux.ENOEXEC
	}
	if n := len(img.Segments); n > 0 && vaddr < img.Segments[n-1].Vaddr {
		// The kernel takes them in order; so do all linkers.
		return linux.ENOEXEC
	}
	s := Segment{Offset: off, Vaddr: vaddr, Filesz: filesz, Memsz: memsz}
	if flags&4 != 0 {
		s.Prot |= linux.PROT_READ
	}
	if flags&2 != 0 {
		s.Prot |= linux.PROT_WRITE
	}
	if flags&1 != 0 {
		s.Prot |= linux.PROT_EXEC
	}
	img.Segments = append(img.Segments, s)
	img.Lo = min(img.Lo, vaddr&^pageMask)
	img.Hi = max(img.Hi, (end+pageMask)&^pageMask)
	if align > img.Align && align&(align-1) == 0 && align <= 1<<30 {
		img.Align = align
	}
	return nil
}

// ParseScript returns the interpreter and its optional argument from the first
// line of a script (load_script in fs/binfmt_script.c). head is the first 256
// bytes.
func ParseScript(head []byte) (interp, arg string, err error) {
	const bufSize = 256 // BINPRM_BUF_SIZE
	if len(head) > bufSize {
		head = head[:bufSize]
	}
	line := head[2:]
	end := -1
	for i, c := range line {
		if c == '\n' {
			end = i
			break
		}
	}
	if end < 0 {
		if len(head) == bufSize {
			// The line is cut: the interpreter's name must end within it.
			i := skip(line, 0, true)
			j := skip(line, i, false)
			if i == len(line) || j == len(line) {
				return "", "", linux.ENOEXEC
			}
		}
		end = len(line)
		for i, c := range line {
			if c == 0 {
				end = i
				break
			}
		}
	}
	line = line[:end]
	for len(line) > 0 && blank(line[len(line)-1]) {
		line = line[:len(line)-1]
	}
	i := skip(line, 0, true)
	if i == len(line) {
		return "", "", linux.ENOEXEC
	}
	j := skip(line, i, false)
	interp = string(line[i:j])
	k := skip(line, j, true)
	return interp, string(line[k:]), nil
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// skip returns the first index from i on that is not (or is) blank.
func skip(b []byte, i int, blanks bool) int {
	for i < len(b) && blank(b[i]) == blanks {
		i++
	}
	return i
}
