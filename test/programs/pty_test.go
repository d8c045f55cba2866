package programs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a program at the other end of a pseudo terminal of ours.
type terminal struct {
	t      *testing.T
	master *os.File
	slave  *os.File

	mu     sync.Mutex
	output []byte // all that it wrote
	seen   int    // how much of it expect has passed
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd()) // blocking from here on: one goroutine reads it
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master, slave: slave}
	term.resize(24, 80)
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			term.mu.Lock()
			term.output = append(term.output, buffer[:n]...)
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { slave.Close(); master.Close() })
	return term
}

func (term *terminal) resize(rows, columns uint16) {
	term.t.Helper()
	if err := unix.IoctlSetWinsize(int(term.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) termios() unix.Termios {
	term.t.Helper()
	state, err := unix.IoctlGetTermios(int(term.slave.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	return *state
}

func (term *terminal) send(text string) {
	term.t.Helper()
	if _, err := term.master.WriteString(text); err != nil {
		term.t.Fatal(err)
	}
}

// came reports whether text has come after what was expected before.
func (term *terminal) came(text string) bool {
	term.mu.Lock()
	defer term.mu.Unlock()
	at := bytes.Index(term.output[term.seen:], []byte(text))
	if at >= 0 {
		term.seen += at + len(text)
	}
	return at >= 0
}

// expect waits until text comes after what was expected before. What is to be
// pressed again is, every two seconds.
func (term *terminal) expect(text, again string) bool {
	term.t.Helper()
	for i := range 2400 {
		if term.came(text) {
			return true
		}
		if again != "" && i%80 == 79 {
			term.send(again)
		}
		time.Sleep(25 * time.Millisecond)
	}
	term.mu.Lock()
	defer term.mu.Unlock()
	term.t.Errorf("%q does not come; after the last thing expected came %q", text, tail(string(term.output[term.seen:])))
	return false
}

// A step sends, resizes, or waits for text, for which it may press a key first,
// and again if nothing happens: an interactive shell ignores the keys that make
// signals, and is still in the foreground while it starts a job.
type step struct {
	send    string
	rows    uint16
	columns uint16
	press   string
	expect  string
}

// stopped waits in bash until there is a stopped job.
const stopped = `while [ -z "$(jobs -s)" ]; do sleep 0.05; done; `

var dialogues = []struct {
	name  string
	argv  []string
	steps []step
	code  int
}{
	{"size", []string{"sh", "-c", "stty size; tty | cut -c1-5; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; ls -l /dev/tty >/dev/null && echo x >/dev/tty; ps -o tty= -p $$ | grep -c '?'"},
		[]step{{expect: "24 80"}, {expect: "/dev/"}, {expect: "all"}, {expect: "x"}, {expect: "0"}}, 1},
	// Not bash: it loses a SIGWINCH that comes while its trap for one runs.
	{"resize", []string{"/usr/bin/python3", "-c", "import os, signal, sys, time\ndef size(*_): print(*reversed(os.get_terminal_size()), flush=True)\nsignal.signal(signal.SIGWINCH, size)\nprint('ready', flush=True)\ntry: time.sleep(500)\nexcept KeyboardInterrupt: sys.exit(9)"},
		[]step{{expect: "ready"}, {rows: 50, columns: 132}, {expect: "50 132"}, {rows: 10, columns: 20}, {expect: "10 20"}, {send: "\x03"}}, 9},
	{"interrupt", []string{"bash", "-c", "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.05; done"},
		[]step{{expect: "ready"}, {send: "\x03"}, {expect: "caught"}}, 9},
	{"interrupt python", []string{"/usr/bin/python3", "-c", "import time\nprint('ready')\ntry: time.sleep(50)\nexcept KeyboardInterrupt: print('interrupted')"},
		[]step{{expect: "ready"}, {send: "\x03"}, {expect: "interrupted"}}, 0},
	{"end of file", []string{"cat"}, []step{{send: "line\n"}, {expect: "line\r\nline"}, {send: "\x04"}}, 0},
	{"line editing", []string{"cat"}, []step{{send: "abx\x7fc\n"}, {expect: "\nabc"}, {send: "gone\x15kept\n"}, {expect: "\nkept"}, {send: "\x04"}}, 0},
	{"no echo", []string{"bash", "-c", "stty -echo; echo ready; read -r x; stty echo; echo got:$x"},
		[]step{{expect: "ready\r\n"}, {send: "secret\n"}, {expect: "got:secret"}}, 0},
	{"raw", []string{"/usr/bin/python3", "-c", "import sys, tty, termios\nold = termios.tcgetattr(0)\ntty.setraw(0)\nprint('ready', end='', flush=True)\nx = sys.stdin.buffer.raw.read(1) + sys.stdin.buffer.raw.read(1)\ntermios.tcsetattr(0, termios.TCSADRAIN, old)\nprint(x)"},
		[]step{{expect: "ready"}, {send: "\x03"}, {send: "\x04"}, {expect: `b'\x03\x04'`}}, 0},
	{"read with time-out", []string{"bash", "-c", "read -r -t 0.2 x || echo late; read -r -n 1 y; echo; echo one:$y"},
		[]step{{expect: "late"}, {send: "k"}, {expect: "one:k"}}, 0},
	{"job control", []string{"bash", "--norc", "--noprofile", "-i"},
		[]step{{send: "PS1='prompt''> '\n"}, {expect: "prompt> "},
			{send: "sleep 100\n"}, {expect: "sleep 100\r\n"}, {press: "\x1a", expect: "Stopped"}, {expect: "prompt> "},
			{send: "jobs\n"}, {expect: "Stopped"}, {expect: "prompt> "},
			{send: "bg\n"}, {expect: "sleep 100 &"}, {expect: "prompt> "},
			{send: "jobs\n"}, {expect: "Running"}, {expect: "prompt> "},
			{send: "fg\n"}, {expect: "sleep 100"}, {press: "\x03", expect: "prompt> "},
			{send: "echo rc $?\n"}, {expect: "rc 130"}, {expect: "prompt> "},
			{send: "cat &\n"}, {expect: "prompt> "}, {send: stopped + "jobs\n"}, {expect: "Stopped"}, {expect: "prompt> "}, {send: "kill %1; fg\n"}, {expect: "prompt> "},
			{send: "echo a | (sleep 0.1; cat)\n"}, {expect: "\na\r\n"}, {expect: "prompt> "},
			{send: "stty tostop; (sleep 0.1; echo background) & " + stopped + "jobs\n"}, {expect: "Stopped"}, {expect: "prompt> "}, {send: "kill -9 %1; stty -tostop; wait\n"}, {expect: "prompt> "},
			{send: "exit 7\n"}}, 7},
	{"script", []string{"script", "-qec", "stty size; tty >/dev/null && echo inner", "/dev/null"}, []step{{expect: "24 80"}, {expect: "inner"}}, 0},
	{"python pty", []string{"/usr/bin/python3", "-c", "import pty, os\nprint(pty.spawn(['sh', '-c', 'tty >/dev/null && echo nested; exit 3']) >> 8)"}, []step{{expect: "nested"}, {expect: "3"}}, 0},
}

func TestTerminals(t *testing.T) {
	for _, d := range dialogues {
		talk := func(t *testing.T, s *scratch, prefix []string, uid int) {
			term := openTerminal(t)
			if err := os.Chown(term.slave.Name(), uid, -1); err != nil && os.Getuid() == 0 {
				t.Fatal(err)
			}
			before := term.termios()
			argv := append(append([]string{}, prefix...), d.argv...)
			cmd := exec.Command(argv[0], argv[1:]...)
			cmd.Dir, cmd.Env = s.work, s.environ(nil)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if uid != os.Getuid() {
				cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for _, step := range d.steps {
				switch {
				case step.send != "":
					term.send(step.send)
				case step.rows != 0:
					term.resize(step.rows, step.columns)
				default:
					term.send(step.press)
					if !term.expect(step.expect, step.press) {
						syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
					}
				}
				if t.Failed() {
					break
				}
			}
			ended := time.AfterFunc(time.Minute, func() { t.Error("does not end"); cmd.Process.Kill() })
			cmd.Wait()
			ended.Stop()
			if code := exitCode(cmd.ProcessState); code != d.code && !t.Failed() {
				t.Errorf("exit code %d, want %d; output %q", code, d.code, tail(string(term.output)))
			}
			if after := term.termios(); after != before && prefix != nil {
				t.Errorf("the terminal is left as %+v, was %+v", after, before)
			}
		}
		t.Run(d.name, func(t *testing.T) {
			t.Run("native", func(t *testing.T) {
				s := newScratch(t)
				s.reset(t, os.Getuid())
				talk(t, s, nil, os.Getuid())
			})
			eachPlatform(t, func(t *testing.T, b *box) {
				b.leavesNothing(t, func() {
					talk(t, b.scratch, []string{world.sentinel, "do", "--platform=" + b.platform, "--"}, b.uid)
				})
			})
		})
	}
}

// TestSuspend: Ctrl-Z stops the sandbox as a job of the caller's shell, and fg
// goes on with it.
func TestSuspend(t *testing.T) {
	eachPlatform(t, func(t *testing.T, b *box) {
		term := openTerminal(t)
		os.Chown(term.slave.Name(), b.uid, -1)
		cmd := exec.Command("bash", "--norc", "--noprofile", "-i")
		cmd.Dir, cmd.Env = b.work, b.environ([]string{"HISTFILE="})
		cmd.Stdin, cmd.Stdout, cmd.Stderr = term.slave, term.slave, term.slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if b.uid != os.Getuid() {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(b.uid), Gid: uint32(b.uid)}
		}
		b.leavesNothing(t, func() {
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			term.send("PS1='prompt''> '\n")
			term.expect("prompt> ", "")
			term.send(strings.Join([]string{world.sentinel, "do", "--platform=" + b.platform, "--", "sh", "-c", "'echo be''gin; read x; echo got $x'"}, " ") + "\n")
			term.expect("begin", "")
			term.send("\x1a")
			if term.expect("Stopped", "") {
				term.expect("prompt> ", "")
				term.send("fg\n")
				term.expect("sentinel", "")
				term.send("word\n")
				term.expect("got word", "")
				term.expect("prompt> ", "")
			}
			term.send("exit 0\n")
			ended := time.AfterFunc(time.Minute, func() { t.Error("does not end"); syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
			cmd.Wait()
			ended.Stop()
		})
	})
}
