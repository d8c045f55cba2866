package sandbox

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"sentinel/internal/platform"
)

// scripted is a platform whose processes do not start if err is set.
type scripted struct {
	name  string
	err   error
	calls int
}

func (s *scripted) Name() string { return s.name }
func (s *scripted) Release()     {}
func (s *scripted) SpawnFD() int { return 7 }

func (s *scripted) Handovers() (n, local uint64) { return 0, 0 }

func (s *scripted) Runner() platform.Runner { return nil }
func (s *scripted) NewProcess() (platform.Thread, error) {
	s.calls++
	return nil, s.err
}

func TestFallback(t *testing.T) {
	for _, c := range []struct {
		name          string
		err           error // of the first process
		then          error // of the second
		first, second int   // processes of each platform after three calls
		lines         int
	}{
		{"works", nil, errors.New("too many"), 3, 0, 0},
		{"forbidden", errors.New("forbidden"), nil, 1, 3, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			a, b := &scripted{name: "a", err: c.err}, &scripted{name: "b"}
			f := &fallback{spawner: a, log: slog.New(slog.NewTextHandler(&log, nil)), other: func(fd int) (spawner, error) {
				if fd != 7 {
					t.Errorf("the descriptor to execute is %d, want 7", fd)
				}
				return b, nil
			}}
			if _, err := f.NewProcess(); err != nil {
				t.Error(err)
			}
			a.err = c.then
			f.NewProcess()
			f.NewProcess()
			if a.calls != c.first || b.calls != c.second {
				t.Errorf("%d and %d processes, want %d and %d", a.calls, b.calls, c.first, c.second)
			}
			if n := strings.Count(log.String(), "\n"); n != c.lines {
				t.Errorf("%d lines in the log, want %d:\n%s", n, c.lines, log.String())
			}
		})
	}
}
