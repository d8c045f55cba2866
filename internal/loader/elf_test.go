package loader

import (
	"bytes"
	"encoding/binary"
	"os"
	"testing"

	"sentinel/internal/abi/linux"
)

// program returns the header of a program of this machine with the given
// program headers.
func program(typ uint16, phdrs ...[]byte) []byte {
	b := make([]byte, ehdrSize)
	copy(b, "\x7fELF\x02\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], typ)
	le.PutUint16(b[18:], machine)
	le.PutUint64(b[24:], 0x401000)
	le.PutUint64(b[32:], ehdrSize)
	le.PutUint16(b[54:], phdrSize)
	le.PutUint16(b[56:], uint16(len(phdrs)))
	for _, p := range phdrs {
		b = append(b, p...)
	}
	return b
}

func phdr(typ, flags uint32, off, vaddr, filesz, memsz, align uint64) []byte {
	b := make([]byte, phdrSize)
	le := binary.LittleEndian
	le.PutUint32(b, typ)
	le.PutUint32(b[4:], flags)
	for i, v := range []uint64{off, vaddr, vaddr, filesz, memsz, align} {
		le.PutUint64(b[8+8*i:], v)
	}
	return b
}

func parse(b []byte) (*Image, error) { return ParseELF(bytes.NewReader(b), int64(len(b))) }

func TestParseELF(t *testing.T) {
	text := phdr(ptLoad, 5, 0, 0x400000, 0x78, 0x78, 0x1000)
	img, err := parse(program(etExec, text, phdr(ptLoad, 6, 0, 0x600000, 0x10, 0x2000, 0x1000)))
	if err != nil {
		t.Fatal(err)
	}
	if img.Dyn || len(img.Segments) != 2 || img.PhdrAddr != 0x400040 || img.Lo != 0x400000 || img.Hi != 0x602000 {
		t.Errorf("%+v", img)
	}
	if p := img.Segments[0].Prot; p != linux.PROT_READ|linux.PROT_EXEC {
		t.Errorf("prot %#x", p)
	}
	other := program(etExec, text)
	binary.LittleEndian.PutUint16(other[18:], 3) // i386
	small := program(etExec, text)
	small[4] = 1
	loop := program(etExec, phdr(ptInterp, 4, 0, 0, pathMax+1, pathMax+1, 1), text)
	for name, b := range map[string][]byte{
		"empty":            nil,
		"cut header":       program(etExec, text)[:40],
		"cut phdrs":        program(etExec, text)[:ehdrSize+10],
		"another machine":  other,
		"32 bits":          small,
		"relocatable":      program(1, text),
		"no segments":      program(etExec, phdr(ptGNUStack, 6, 0, 0, 0, 0, 16)),
		"no phdrs":         program(etExec),
		"file beyond mem":  program(etExec, phdr(ptLoad, 5, 0, 0x400000, 0x2000, 0x1000, 0x1000)),
		"wraps":            program(etExec, phdr(ptLoad, 5, 0, ^uint64(0xfff), 0x1000, 0x2000, 0x1000)),
		"beyond the space": program(etExec, phdr(ptLoad, 5, 0, 1<<47, 0x1000, 0x1000, 0x1000)),
		"not congruent":    program(etExec, phdr(ptLoad, 5, 1, 0x400000, 0x10, 0x10, 0x1000)),
		"offset past end":  program(etExec, phdr(ptLoad, 5, 1<<40, 0x400000, 0x10, 0x10, 0x1000)),
		"not in order":     program(etExec, phdr(ptLoad, 5, 0, 0x600000, 0x10, 0x10, 0x1000), text),
		"long interpreter": loop,
	} {
		if img, err := parse(b); err != linux.ENOEXEC {
			t.Errorf("%s: %+v, %v", name, img, err)
		}
	}
}

func TestParseScript(t *testing.T) {
	for _, c := range []struct {
		head, interp, arg string
		err               error
	}{
		{"#!/bin/sh\n", "/bin/sh", "", nil},
		{"#! /usr/bin/env  python3 -u \nrest", "/usr/bin/env", "python3 -u", nil},
		{"#!\t/bin/sh", "/bin/sh", "", nil},
		{"#!\n", "", "", linux.ENOEXEC},
		{"#!   ", "", "", linux.ENOEXEC},
	} {
		interp, arg, err := ParseScript([]byte(c.head))
		if interp != c.interp || arg != c.arg || err != c.err {
			t.Errorf("%q: %q, %q, %v", c.head, interp, arg, err)
		}
	}
}

// FuzzParseELF checks that what is accepted is fit to be mapped.
func FuzzParseELF(f *testing.F) {
	if b, err := os.ReadFile("/proc/self/exe"); err == nil {
		f.Add(b[:4096])
	}
	f.Add(program(etDyn, phdr(ptLoad, 5, 0, 0, 0x78, 0x78, 0x1000), phdr(ptInterp, 4, 0x40, 0, 8, 8, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := parse(b)
		if err != nil {
			if err != linux.ENOEXEC {
				t.Fatalf("error %v", err)
			}
			return
		}
		last := uint64(0)
		for _, s := range img.Segments {
			if s.Filesz > s.Memsz || s.Vaddr+s.Memsz > taskSize || s.Vaddr+s.Memsz < s.Vaddr || s.Vaddr < last {
				t.Fatalf("segment %+v", s)
			}
			last = s.Vaddr
		}
		if img.Lo > img.Hi || img.Align&(img.Align-1) != 0 || len(img.Interp) >= pathMax {
			t.Fatalf("image %+v", img)
		}
	})
}

// FuzzParseScript checks that the pieces come from the first line.
func FuzzParseScript(f *testing.F) {
	f.Add([]byte("#!/bin/sh -e\necho"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if kind, err := Identify(b); err != nil || kind != Script {
			return
		}
		interp, arg, err := ParseScript(b)
		if err == nil && (interp == "" || len(interp)+len(arg) > 254) {
			t.Fatalf("%q, %q", interp, arg)
		}
	})
}
