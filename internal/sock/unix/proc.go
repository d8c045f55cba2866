package unix

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// ProcText is the text of /proc/net/unix (unix_seq_show in net/unix/af_unix.c).
func (st *Stack) ProcText() string {
	type row struct {
		ino  uint64
		text string
	}
	st.mu.Lock()
	rows := make([]row, 0, len(st.sockets))
	for s := range st.sockets {
		flags, state := "00000000", "01"
		switch {
		case s.state.Load() == listening:
			flags = "00010000" // __SO_ACCEPTCON
		case s.state.Load() == connected:
			state = "03"
		}
		name := s.name
		if name != "" && name[0] == 0 {
			name = "@" + strings.ReplaceAll(name[1:], "\x00", "@")
		}
		text := "0000000000000000: 00000002 00000000 " + flags + " 000" + strconv.Itoa(s.Type) + " " + state + " " +
			strconv.FormatUint(s.Ino, 10)
		if name != "" {
			text += " " + name
		}
		rows = append(rows, row{s.Ino, text})
	}
	st.mu.Unlock()
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.ino, b.ino) })
	var b strings.Builder
	b.WriteString("Num       RefCount Protocol Flags    Type St Inode Path\n")
	for _, r := range rows {
		b.WriteString(r.text)
		b.WriteByte('\n')
	}
	return b.String()
}
