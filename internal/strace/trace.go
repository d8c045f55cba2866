// Package strace prints the system calls of the guest as strace(1) does, and
// counts them. Signatures come from internal/syscalls/table.txt.
//
// Lock order:
//
//	Tracer.mu, Stats.mu
package strace

import (
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
	"sentinel/internal/task"
)

// Tracer prints calls as they end. It implements task.Tracer.
type Tracer struct {
	mu      sync.Mutex
	w       io.Writer
	many    bool // there has been more than one thread
	pending map[int32]*pending
}

// pending is a call that has not returned.
type pending struct {
	sig  *signature
	args []string // printed before the call; "" for those after it
	vals [6]uint64
}

// New returns a tracer that writes to w, a line at a time.
func New(w io.Writer) *Tracer {
	return &Tracer{w: w, pending: map[int32]*pending{}}
}

// Started prints the execve that started the first process.
func (tr *Tracer) Started(path string, argv []string, vars int) {
	var s strings.Builder
	s.WriteString("execve(")
	quote(&s, []byte(path), pathMax)
	s.WriteString(", [")
	for i, a := range argv {
		if i == maxItems {
			s.WriteString(", ...")
			break
		}
		if i > 0 {
			s.WriteString(", ")
		}
		quote(&s, []byte(a), strLen)
	}
	s.WriteString("], [/* " + strconv.Itoa(vars) + " vars */]) = 0\n")
	tr.mu.Lock()
	defer tr.mu.Unlock()
	io.WriteString(tr.w, s.String())
}

// SyscallEnter implements task.Tracer.
func (tr *Tracer) SyscallEnter(t *task.Task, nr uint64, args *[6]uint64) {
	c := &pending{sig: lookup(nr), vals: *args}
	if c.sig == nil {
		c.sig = &signature{name: "syscall_" + hex(nr), result: kLong, n: 6,
			args: [6]argument{{kind: kHex}, {kind: kHex}, {kind: kHex}, {kind: kHex}, {kind: kHex}, {kind: kHex}}}
	}
	p := printer{mem: t.Mem(), sig: c.sig, args: &c.vals}
	for i := range int(c.sig.n) {
		s := ""
		if !c.sig.args[i].kind.isOut() {
			s = p.arg(i)
		}
		c.args = append(c.args, s)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if c.sig.name == "exit" || c.sig.name == "exit_group" {
		tr.line(t, tr.call(&p, c)+" = ?")
		return
	}
	tr.pending[t.TID()] = c
}

// SyscallExit implements task.Tracer.
func (tr *Tracer) SyscallExit(t *task.Task, _ uint64, _ *[6]uint64, ret uint64, err error, _ time.Duration) {
	tr.mu.Lock()
	c := tr.pending[t.TID()]
	delete(tr.pending, t.TID())
	tr.mu.Unlock()
	if c == nil {
		return
	}
	p := printer{mem: t.Mem(), sig: c.sig, args: &c.vals, ret: ret, done: err == nil, fail: err != nil}
	text := tr.call(&p, c) + " = "
	if e, ok := err.(linux.Errno); ok {
		if e > linux.ERESTART_RESTARTBLOCK {
			text += "0" // the handler has set the registers: sigreturn, exec
		} else {
			text += errorText(e)
		}
	} else {
		text += p.result()
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.line(t, text)
}

// call formats name and arguments.
func (tr *Tracer) call(p *printer, c *pending) string {
	var s strings.Builder
	s.WriteString(c.sig.name + "(")
	first := true
	for i := range int(c.sig.n) {
		if p.hidden(i) {
			continue
		}
		if !first {
			s.WriteString(", ")
		}
		first = false
		if c.args[i] != "" {
			s.WriteString(c.args[i])
		} else {
			s.WriteString(p.arg(i))
		}
	}
	s.WriteString(")")
	return s.String()
}

// Signal implements task.Tracer.
func (tr *Tracer) Signal(t *task.Task, info *signal.Info) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.line(t, "--- "+signal.Name(int(info.Signo))+" "+siginfo(info)+" ---")
}

// Exit implements task.Tracer.
func (tr *Tracer) Exit(t *task.Task, st task.WaitStatus) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if c := tr.pending[t.TID()]; c != nil {
		delete(tr.pending, t.TID())
		p := printer{mem: t.Mem(), sig: c.sig, args: &c.vals}
		tr.line(t, tr.call(&p, c)+" = ? <unfinished ...>")
	}
	if st.Exited() {
		tr.line(t, "+++ exited with "+strconv.Itoa(st.ExitCode())+" +++")
		return
	}
	core := ""
	if st.Core() {
		core = " (core dumped)"
	}
	tr.line(t, "+++ killed by "+signal.Name(st.Signal())+core+" +++")
}

// line writes one line. mu is held.
func (tr *Tracer) line(t *task.Task, text string) {
	if t.TID() != 1 {
		tr.many = true
	}
	if tr.many {
		text = "[pid " + strconv.Itoa(int(t.TID())) + "] " + text
	}
	io.WriteString(tr.w, text+"\n")
}
