package tty

import (
	"sync"
	"testing"
	"time"

	"sentinel/internal/abi/linux"
	"sentinel/internal/signal"
	"sentinel/internal/usermem"
	"sentinel/internal/vfs"
	"sentinel/internal/vfs/vfstest"
	"sentinel/internal/waiter"
)

// world is sessions and groups, as package task would have them.
type world struct {
	mu      sync.Mutex
	sent    []string
	session map[int32]int32 // by group
	procs   []*proc
	orphan  bool
}

func (w *world) note(s string) {
	w.mu.Lock()
	w.sent = append(w.sent, s)
	w.mu.Unlock()
}

func (w *world) take() (s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.sent {
		s += x + " "
	}
	w.sent = nil
	return s
}

func digits(n int32) string { return string(rune('0'+n/10)) + string(rune('0'+n%10)) }

func (w *world) SignalGroup(pg int32, sig int)  { w.note("g" + digits(pg) + signal.Name(sig)[3:]) }
func (w *world) SignalLeader(id int32, sig int) { w.note("l" + digits(id) + signal.Name(sig)[3:]) }
func (w *world) GroupOrphaned(int32) bool       { return w.orphan }
func (w *world) GroupSession(pg int32) (int32, bool) {
	s, ok := w.session[pg]
	return s, ok
}

func (w *world) ClearTTY(sid int32, t *TTY) {
	for _, p := range w.procs {
		if p.sid == sid && p.tty == t {
			p.tty = nil
		}
	}
}

// proc is a process, the caller of its own context.
type proc struct {
	pid, pgid, sid int32
	tty            *TTY
	blocked        bool
	mem            mem
	onBlock        func()
}

func (p *proc) TID() int32                      { return p.pid }
func (p *proc) PID() int32                      { return p.pid }
func (p *proc) SessionID() int32                { return p.sid }
func (p *proc) ProcessGroupID() int32           { return p.pgid }
func (p *proc) ControllingTTY() *TTY            { return p.tty }
func (p *proc) SetControllingTTY(t *TTY)        { p.tty = t }
func (p *proc) SignalIgnoredOrBlocked(int) bool { return p.blocked }
func (p *proc) FileSizeLimit() uint64           { return 1 << 62 }
func (p *proc) SendSignal(int)                  {}
func (p *proc) ctx() *vfs.Context               { return &vfs.Context{Caller: p, Mem: p.mem} }

func (p *proc) Block(w waiter.Waitable, mask waiter.Mask, ready func() bool) error {
	ch := make(chan struct{}, 1)
	e := waiter.NewChannelEntry(ch)
	w.EventRegister(e, mask)
	defer w.EventUnregister(e)
	if p.onBlock != nil {
		go p.onBlock()
	}
	for !ready() {
		<-ch
	}
	return nil
}

type mem map[uint64][]byte

func (m mem) CopyIn(a uint64, b []byte) (int, error) {
	if len(m[a]) < len(b) {
		return 0, linux.EFAULT
	}
	return copy(b, m[a]), nil
}

func (m mem) CopyOut(a uint64, b []byte) (int, error) {
	m[a] = append([]byte(nil), b...)
	return len(b), nil
}

func newWorld(ps ...*proc) (*world, *System) {
	w := &world{session: map[int32]int32{}, procs: ps}
	for _, p := range ps {
		p.mem = mem{}
		w.session[p.pgid] = p.sid
	}
	return w, NewSystem(w, 5)
}

func pair(t *testing.T, s *System, c *vfs.Context, flags uint32) (m, sl vfs.FileOps, p *pty) {
	t.Helper()
	m, err := s.OpenMaster(c, linux.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	p = m.(*master).pty
	if _, err := p.tty.Open(c, flags); err != linux.EIO {
		t.Fatalf("open of a locked slave: %v", err)
	}
	p.locked = false
	if sl, err = p.tty.Open(c, flags); err != nil {
		t.Fatal(err)
	}
	return m, sl, p
}

func file(ops vfs.FileOps, flags uint32) *vfs.File {
	return vfs.NewAnonFile(ops, "tty", linux.O_RDWR|flags)
}

// TestChangingDestination: a lone VEOF is an end of file for who handles lines
// itself, whatever the guest makes of its memory meanwhile.
func TestChangingDestination(t *testing.T) {
	p := &proc{pid: 1, pgid: 1, sid: 1}
	_, s := newWorld(p)
	c := p.ctx()
	m, sl, back := pair(t, s, c, linux.O_NOCTTY)
	back.line.Lflag |= linux.ICANON | linux.EXTPROC
	back.line.Lflag &^= linux.ECHO
	dst := vfstest.Changing(t, 1)
	for range 200_000 {
		put(t, c, m, string(rune(back.line.Cc[linux.VEOF])))
		if n, err := sl.Read(c, file(sl, linux.O_NONBLOCK), dst, 0); n != 0 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
}

func put(t *testing.T, c *vfs.Context, ops vfs.FileOps, s string) {
	t.Helper()
	if n, err := ops.Write(c, file(ops, 0), []byte(s), 0); err != nil || n != len(s) {
		t.Fatalf("write %q: %d, %v", s, n, err)
	}
}

func get(t *testing.T, c *vfs.Context, ops vfs.FileOps, n int, want string, wantErr error) {
	t.Helper()
	b := make([]byte, n)
	k, err := ops.Read(c, file(ops, linux.O_NONBLOCK), b, 0)
	if err != wantErr || string(b[:k]) != want {
		t.Fatalf("read: %q, %v; want %q, %v", b[:k], err, want, wantErr)
	}
}

func TestCanonical(t *testing.T) {
	_, s := newWorld()
	m, sl, _ := pair(t, s, nil, 0)
	for _, x := range []struct{ in, line, echo string }{
		{"hello\n", "hello\n", "hello\r\n"},
		{"ab\x7fc\r", "ac\n", "ab\b \bc\r\n"},
		{"one two\x17x\n", "one x\n", "one two\b \b\b \b\b \bx\r\n"},
		{"gone\x15new\n", "new\n", "gone\b \b\b \b\b \b\b \bnew\r\n"},
		{"a\x16\x03\n", "a\x03\n", "a^\b^C\r\n"},
		{"re\x12print\n", "reprint\n", "re^R\r\nreprint\r\n"},
		{"\tx\x7f\x7fy\n", "y\n", "\tx\b \b\b\b\b\b\b\b\b\by\r\n"},
	} {
		put(t, nil, m, x.in)
		get(t, nil, sl, 100, x.line, nil)
		get(t, nil, m, 100, x.echo, nil)
	}
	get(t, nil, sl, 100, "", linux.EAGAIN)
	put(t, nil, m, "part\x04\x04") // a line without an end, then end of file
	get(t, nil, sl, 100, "part", nil)
	get(t, nil, sl, 100, "", nil)
	put(t, nil, m, "abcdef\nxy\n")
	get(t, nil, sl, 3, "abc", nil)
	get(t, nil, sl, 100, "def\n", nil)
	get(t, nil, sl, 100, "xy\n", nil)
}

func TestOverflow(t *testing.T) {
	_, s := newWorld()
	m, sl, p := pair(t, s, nil, 0)
	p.line.Lflag &^= linux.ECHO
	long := make([]byte, 6000)
	for i := range long {
		long[i] = 'x'
	}
	put(t, nil, m, string(long)+"\n")
	get(t, nil, sl, 8000, string(long[:4095])+"\n", nil)
}

func TestOutputAndFlow(t *testing.T) {
	_, s := newWorld()
	m, sl, _ := pair(t, s, nil, 0)
	put(t, nil, sl, "a\nb")
	get(t, nil, m, 10, "a\r\nb", nil)
	put(t, nil, m, "\x13")
	if _, err := sl.Write(nil, file(sl, 0), []byte("x"), 0); err != linux.EAGAIN {
		t.Fatalf("write while stopped: %v", err)
	}
	if r := sl.Readiness(waiter.Out); r != 0 {
		t.Fatalf("ready %x while stopped", r)
	}
	put(t, nil, m, "\x11")
	put(t, nil, sl, "x")
	get(t, nil, m, 10, "x", nil)
}

func TestRawAndTimes(t *testing.T) {
	p1 := &proc{pid: 1, pgid: 1, sid: 1}
	_, s := newWorld(p1)
	c := p1.ctx()
	m, sl, p := pair(t, s, c, linux.O_NOCTTY)
	k, _ := p.getTermios()
	k.Lflag &^= linux.ICANON | linux.ECHO | linux.ISIG
	k.Iflag = 0
	k.Cc[linux.VMIN], k.Cc[linux.VTIME] = 3, 0
	_ = p.setTermios(k, 2)
	put(t, c, m, "a\x03")
	if n, err := sl.Read(c, file(sl, 0), make([]byte, 9), 0); err != linux.EAGAIN {
		t.Fatalf("less than VMIN: %d, %v", n, err)
	}
	put(t, c, m, "b")
	get(t, c, sl, 9, "a\x03b", nil)
	k.Cc[linux.VMIN], k.Cc[linux.VTIME] = 0, 1
	_ = p.setTermios(k, 0)
	if n, err := sl.Read(c, file(sl, 0), make([]byte, 9), 0); n != 0 || err != nil {
		t.Fatalf("after VTIME: %d, %v", n, err)
	}
	k.Cc[linux.VMIN] = 2
	_ = p.setTermios(k, 0)
	put(t, c, m, "q")
	p1.onBlock = func() {
		time.Sleep(5 * time.Millisecond)
		_, _ = m.Write(c, file(m, 0), []byte("r"), 0)
	}
	b := make([]byte, 9)
	if n, err := sl.Read(c, file(sl, 0), b, 0); err != nil || n == 0 || b[0] != 'q' {
		t.Fatalf("between bytes: %q, %v", b[:n], err)
	}
}

func TestPacket(t *testing.T) {
	p1 := &proc{pid: 1, pgid: 1, sid: 1}
	_, s := newWorld(p1)
	c := p1.ctx()
	m, sl, _ := pair(t, s, c, linux.O_NOCTTY)
	one := int32(1)
	p1.mem[8] = usermem.AsBytes(&one)
	if _, err := m.Ioctl(c, file(m, 0), linux.TIOCPKT, 8); err != nil {
		t.Fatal(err)
	}
	put(t, c, sl, "hi")
	get(t, c, m, 10, "\x00hi", nil)
	put(t, c, m, "\x13")
	if m.Readiness(waiter.All)&waiter.Pri == 0 {
		t.Fatal("no POLLPRI for TIOCPKT_STOP")
	}
	get(t, c, m, 10, "\x04", nil)
	put(t, c, m, "\x11")
	get(t, c, m, 10, "\x08", nil)
}

func TestJobControl(t *testing.T) {
	leader := &proc{pid: 10, pgid: 10, sid: 10}
	job := &proc{pid: 11, pgid: 11, sid: 10}
	w, s := newWorld(leader, job)
	m, sl, p := pair(t, s, leader.ctx(), linux.O_RDWR)
	if leader.tty != p.tty || p.tty.Session() != 10 || p.tty.Foreground() != 10 {
		t.Fatal("open by a session leader did not give it the terminal")
	}
	job.tty = p.tty
	put(t, nil, m, "\x03")
	if got := w.take(); got != "g10INT " {
		t.Fatalf("VINTR: %q", got)
	}
	// A background process is stopped when it reads.
	if _, err := sl.Read(job.ctx(), file(sl, 0), make([]byte, 1), 0); err != linux.ERESTARTSYS {
		t.Fatalf("background read: %v", err)
	}
	if got := w.take(); got != "g11TTIN " {
		t.Fatalf("background read: %q", got)
	}
	job.blocked = true
	if _, err := sl.Read(job.ctx(), file(sl, 0), make([]byte, 1), 0); err != linux.EIO {
		t.Fatalf("background read with SIGTTIN blocked: %v", err)
	}
	job.blocked = false
	pg := int32(11)
	job.mem[8] = usermem.AsBytes(&pg)
	if _, err := sl.Ioctl(job.ctx(), file(sl, 0), linux.TIOCSPGRP, 8); err != linux.ERESTARTSYS {
		t.Fatalf("tcsetpgrp from the background: %v", err)
	}
	job.blocked = true
	if _, err := sl.Ioctl(job.ctx(), file(sl, 0), linux.TIOCSPGRP, 8); err != nil || p.tty.Foreground() != 11 {
		t.Fatalf("tcsetpgrp with SIGTTOU blocked: %v", err)
	}
	w.take()
	ws := linux.Winsize{Row: 24, Col: 80}
	leader.mem[16] = usermem.AsBytes(&ws)
	if _, err := m.Ioctl(leader.ctx(), file(m, 0), linux.TIOCSWINSZ, 16); err != nil {
		t.Fatal(err)
	}
	if got := w.take(); got != "g11WINCH " {
		t.Fatalf("TIOCSWINSZ: %q", got)
	}
	m.Release(nil)
	if got := w.take(); got != "l10HUP l10CONT " {
		t.Fatalf("close of the master: %q", got)
	}
	if leader.tty != nil || job.tty != nil {
		t.Fatal("the terminal is still there")
	}
	get(t, nil, sl, 10, "", nil)
	if _, err := sl.Write(nil, file(sl, 0), []byte("x"), 0); err != linux.EIO {
		t.Fatalf("write after hang-up: %v", err)
	}
	s.Exit(leader)
	if got := w.take(); got != "g11HUP g11CONT " {
		t.Fatalf("exit of the leader: %q", got)
	}
}

func TestLastSlaveCloses(t *testing.T) {
	_, s := newWorld()
	m, sl, p := pair(t, s, nil, 0)
	get(t, nil, m, 1, "", linux.EAGAIN)
	put(t, nil, sl, "end")
	sl.Release(nil)
	get(t, nil, m, 10, "end", nil)
	get(t, nil, m, 10, "", linux.EIO)
	if m.Readiness(waiter.All)&waiter.Hup == 0 {
		t.Fatal("no POLLHUP")
	}
	if _, err := p.tty.Open(nil, 0); err != nil {
		t.Fatal(err)
	}
	get(t, nil, m, 10, "", linux.EAGAIN)
}
