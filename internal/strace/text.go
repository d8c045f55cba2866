package strace

import (
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
)

// quote writes b as strace(1) does: at most limit bytes, in C syntax.
func quote(s *strings.Builder, b []byte, limit int) {
	more := len(b) > limit
	if more {
		b = b[:limit]
	}
	s.WriteByte('"')
	for i, c := range b {
		switch {
		case c == '"' || c == '\\':
			s.WriteByte('\\')
			s.WriteByte(c)
		case c >= ' ' && c < 0x7f:
			s.WriteByte(c)
		case c == '\n':
			s.WriteString(`\n`)
		case c == '\t':
			s.WriteString(`\t`)
		case c == '\r':
			s.WriteString(`\r`)
		case c == '\v':
			s.WriteString(`\v`)
		case c == '\f':
			s.WriteString(`\f`)
		default:
			o := strconv.FormatUint(uint64(c), 8)
			if i+1 < len(b) && b[i+1] >= '0' && b[i+1] <= '9' {
				o = strings.Repeat("0", 3-len(o)) + o
			}
			s.WriteString(`\` + o)
		}
	}
	s.WriteByte('"')
	if more {
		s.WriteString("...")
	}
}

func hex(v uint64) string {
	if v == 0 {
		return "0"
	}
	return "0x" + strconv.FormatUint(v, 16)
}

func ptr(v uint64) string {
	if v == 0 {
		return "NULL"
	}
	return hex(v)
}

func oct(v uint64) string {
	if v == 0 {
		return "0"
	}
	return "0" + strconv.FormatUint(v, 8)
}

// mode prints permission bits with at least three digits, the first of them 0.
func mode(v uint64) string {
	s := "0" + strconv.FormatUint(v, 8)
	return strings.Repeat("0", max(3-len(s), 0)) + s
}

func sint(v uint64) string { return strconv.Itoa(int(int32(v))) }

func dec(v uint64) string { return strconv.FormatUint(v, 10) }

// flags prints bits by name. Sets list a combination before its parts.
func flags(v uint64, set []name) string {
	var parts []string
	for _, n := range set {
		if n.value != 0 && v&n.value == n.value {
			parts = append(parts, n.text)
			v &^= n.value
		}
	}
	if v != 0 {
		parts = append(parts, hex(v))
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, "|")
}

func enum(v uint64, set []name) string {
	for _, n := range set {
		if n.value == v {
			return n.text
		}
	}
	return hex(v)
}

// flagArgument prints a set of bits with what is peculiar to some.
func flagArgument(v uint64, set *[]name) string {
	v = uint64(uint32(v))
	switch set {
	case &namesOpen:
		if v&linux.O_ACCMODE == linux.O_RDONLY {
			return strings.TrimSuffix("O_RDONLY|"+flags(v, namesOpen), "|0")
		}
	case &namesProt:
		if v == 0 {
			return "PROT_NONE"
		}
	case &namesAccess:
		if v == 0 {
			return "F_OK"
		}
	case &namesClone:
		return cloneFlags(v, v&0xff)
	case &namesSocktype:
		const bits = linux.SOCK_CLOEXEC | linux.SOCK_NONBLOCK
		kinds := [...]string{1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 5: "SOCK_SEQPACKET"}
		k := v &^ bits
		s := hex(k)
		if k < uint64(len(kinds)) && kinds[k] != "" {
			s = kinds[k]
		}
		return strings.TrimSuffix(s+"|"+flags(v&bits, namesSocktype), "|0")
	case &namesShmget:
		return strings.TrimPrefix(flags(v&^0o777, namesShmget)+"|"+mode(v&0o777), "0|")
	}
	return flags(v, *set)
}

func cloneFlags(v, sig uint64) string {
	s := flags(v&^0xff, namesClone)
	if sig != 0 {
		s = strings.TrimPrefix(s+"|"+signal.Name(int(sig)), "0|")
	}
	return s
}

// signalSet prints a set as strace does: [INT CHLD], or ~[...] if that is
// shorter.
func signalSet(m uint64) string {
	inverse := ""
	n := 0
	for i := range 64 {
		n += int(m >> i & 1)
	}
	if n > 40 {
		inverse, m = "~", ^m
	}
	var parts []string
	for i := range 64 {
		if m>>i&1 != 0 {
			parts = append(parts, strings.TrimPrefix(signal.Name(i+1), "SIG"))
		}
	}
	return inverse + "[" + strings.Join(parts, " ") + "]"
}

// waitStatus prints a status word of wait(2).
func waitStatus(w uint32) string {
	sig := int(w & 0x7f)
	switch {
	case w == 0xffff:
		return "{WIFCONTINUED(s)}"
	case w&0xff == 0x7f:
		return "{WIFSTOPPED(s) && WSTOPSIG(s) == " + signal.Name(int(w>>8&0xff)) + "}"
	case sig == 0:
		return "{WIFEXITED(s) && WEXITSTATUS(s) == " + dec(uint64(w>>8&0xff)) + "}"
	}
	core := ""
	if w&0x80 != 0 {
		core = " && WCOREDUMP(s)"
	}
	return "{WIFSIGNALED(s) && WTERMSIG(s) == " + signal.Name(sig) + core + "}"
}

// sigCode names the si_code of a signal.
func sigCode(i *signal.Info) string {
	switch i.Code {
	case signal.SIUser:
		return "SI_USER"
	case signal.SIKernel:
		return "SI_KERNEL"
	case signal.SIQueue:
		return "SI_QUEUE"
	case signal.SITimer:
		return "SI_TIMER"
	case signal.SIMesgq:
		return "SI_MESGQ"
	case signal.SITkill:
		return "SI_TKILL"
	}
	var names []string
	switch i.Signo {
	case signal.SIGCHLD:
		names = []string{1: "CLD_EXITED", "CLD_KILLED", "CLD_DUMPED", "CLD_TRAPPED", "CLD_STOPPED", "CLD_CONTINUED"}
	case signal.SIGSEGV:
		names = []string{1: "SEGV_MAPERR", "SEGV_ACCERR"}
	case signal.SIGBUS:
		names = []string{1: "BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR"}
	case signal.SIGFPE:
		names = []string{1: "FPE_INTDIV", "FPE_INTOVF", "FPE_FLTDIV", "FPE_FLTOVF", "FPE_FLTUND", "FPE_FLTRES", "FPE_FLTINV"}
	case signal.SIGILL:
		names = []string{1: "ILL_ILLOPC", "ILL_ILLOPN", "ILL_ILLADR", "ILL_ILLTRP", "ILL_PRVOPC"}
	case signal.SIGTRAP:
		names = []string{1: "TRAP_BRKPT", "TRAP_TRACE"}
	}
	if i.Code > 0 && int(i.Code) < len(names) {
		return names[i.Code]
	}
	return strconv.Itoa(int(i.Code))
}

// siginfo prints {si_signo=..., ...}.
func siginfo(i *signal.Info) string {
	s := "{si_signo=" + signal.Name(int(i.Signo)) + ", si_code=" + sigCode(i)
	switch {
	case i.Code == signal.SITimer:
		s += ", si_timerid=" + strconv.Itoa(int(i.TimerID)) + ", si_overrun=" + strconv.Itoa(int(i.Overrun))
	case i.Signo == signal.SIGCHLD && i.Code > 0 && i.Code != signal.SIKernel:
		status := strconv.Itoa(int(i.Status))
		if i.Code != signal.CldExited {
			status = signal.Name(int(i.Status))
		}
		s += ", si_pid=" + strconv.Itoa(int(i.PID)) + ", si_uid=" + dec(uint64(i.UID)) + ", si_status=" + status
	case i.Code == signal.SIUser || i.Code == signal.SITkill || i.Code == signal.SIQueue:
		s += ", si_pid=" + strconv.Itoa(int(i.PID)) + ", si_uid=" + dec(uint64(i.UID))
	case i.Code > 0 && i.Code != signal.SIKernel:
		s += ", si_addr=" + ptr(i.Addr)
	}
	return s + "}"
}

// errorText prints a failed result.
func errorText(e linux.Errno) string {
	switch e {
	case linux.ERESTARTSYS:
		return "? ERESTARTSYS (To be restarted if SA_RESTART is set)"
	case linux.ERESTARTNOINTR:
		return "? ERESTARTNOINTR (To be restarted)"
	case linux.ERESTARTNOHAND:
		return "? ERESTARTNOHAND (To be restarted if no handler)"
	case linux.ERESTART_RESTARTBLOCK:
		return "? ERESTART_RESTARTBLOCK (Interrupted by signal)"
	}
	text := e.Error()
	if text != "" && text[0] >= 'a' && text[0] <= 'z' {
		text = string(text[0]-'a'+'A') + text[1:]
	}
	return "-1 " + e.Name() + " (" + text + ")"
}
