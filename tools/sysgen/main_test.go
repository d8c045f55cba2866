package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// The generated files are what the table and the handlers say now.
func TestGenerated(t *testing.T) {
	files, problems, err := generate("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	for name, want := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is out of date: run go run ./tools/sysgen", name)
		}
	}
}

func TestCheckFindsDisagreement(t *testing.T) {
	rows := []*row{
		{name: "read", support: "full", line: 1},
		{name: "bpf", support: "refuse", errno: "EPERM", line: 2},
		{name: "lost", support: "full", line: 3},
	}
	numbers := map[string]int{"read": 0, "bpf": 321, "write": 1}
	handlers := []handler{
		{name: "sysBpf", pos: "a.go:1"},
		{name: "sysFoo", pos: "a.go:2"},
		{name: "sysRead", pos: "a.go:3", types: []string{"int32", "uint64", "int"}},
	}
	got := strings.Join(check(rows, numbers, handlers), "\n")
	for _, want := range []string{
		"no row for write", "lost has no number", "lost is full, but there is no sysLost",
		"sysBpf exists, but table.txt:2 says refuse", "sysFoo serves no system call",
		"sysRead: arguments are int32",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("check does not say %q in:\n%s", want, got)
		}
	}
}

func TestHandlerName(t *testing.T) {
	for call, want := range map[string]string{
		"openat": "sysOpenat", "clock_gettime": "sysClockGettime", "_sysctl": "sysSysctl", "pread64": "sysPread64",
	} {
		if got := (&row{name: call}).handlerName(); got != want {
			t.Errorf("%s is served by %s, want %s", call, got, want)
		}
	}
}
