package programs

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// leavesNothing runs do and checks that the host is afterwards what it was:
// files, mounts, processes, sockets.
func (s *scratch) leavesNothing(t *testing.T, do func()) {
	t.Helper()
	files, mounts, names := s.files(), mountinfo(), sharedNames()
	do()
	for _, pid := range waitForNone() {
		t.Errorf("process %d is left: %s", pid, describe(pid))
		syscall.Kill(pid, syscall.SIGKILL)
	}
	if after := mountinfo(); after != mounts {
		t.Errorf("mounts changed:\n%s", diff(mounts, after))
	}
	for _, change := range changes(files, s.files()) {
		t.Errorf("the host's files changed: %s", change)
	}
	for _, change := range changes(names, sharedNames()) {
		t.Errorf("something is left on the host: %s", change)
	}
}

// waitForNone gives what ends by itself a moment for that, and lists the rest.
func waitForNone() (left []int) {
	for range 200 {
		if left = leftProcesses(); len(left) == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return left
}

// leftProcesses are our living descendants. As this test is a subreaper, what
// outlives its parent, daemons and guest processes included, is among them.
func leftProcesses() []int {
	parents := map[int]int{}
	var zombies []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		// The name in parentheses may hold anything, ") " included.
		fields := strings.Fields(string(stat[max(0, bytes.LastIndexByte(stat, ')')):]))
		if len(fields) < 3 {
			continue
		}
		parent, _ := strconv.Atoi(fields[2])
		if fields[1] != "Z" {
			parents[pid] = parent
		} else if parent == os.Getpid() {
			zombies = append(zombies, pid)
		}
	}
	for _, pid := range zombies {
		syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
	}
	var left []int
	for pid := range parents {
		for ancestor := parents[pid]; ancestor > 1; ancestor = parents[ancestor] {
			if ancestor == os.Getpid() {
				left = append(left, pid)
				break
			}
		}
	}
	slices.Sort(left)
	return left
}

func describe(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return fmt.Sprintf("exe %s, command %q, stat %.60s", exe, cmdline, stat)
}

func mountinfo() string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// files describes each file of the scratch tree, of the shared inputs, and some
// of the host's that programs like to touch.
func (s *scratch) files() map[string]string {
	found := map[string]string{}
	roots := []string{s.root, world.data, world.bin,
		"/etc/passwd", "/etc/group", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/ld.so.cache", "/root/.gitconfig", "/root/.cache/pip"}
	for _, root := range roots {
		filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			found[path] = fingerprint(path)
			return nil
		})
	}
	return found
}

func fingerprint(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return err.Error()
	}
	stat := info.Sys().(*syscall.Stat_t)
	text := fmt.Sprintf("%v %d bytes, owner %d:%d, links %d, changed %d.%09d", info.Mode(), info.Size(), stat.Uid, stat.Gid, stat.Nlink, stat.Ctim.Sec, stat.Ctim.Nsec)
	if info.Mode().IsRegular() && info.Size() < 64<<20 {
		if f, err := os.Open(path); err == nil {
			sum := sha256.New()
			io.Copy(sum, f)
			f.Close()
			text += fmt.Sprintf(", sha256 %x", sum.Sum(nil)[:8])
		}
	}
	return text
}

// sharedNames lists the places where a runtime leaves state: run folders,
// shared memory, abstract and other Unix sockets of a recognisable name.
func sharedNames() map[string]string {
	found := map[string]string{}
	for _, dir := range []string{"/dev/shm", "/dev/mqueue", "/run", "/run/user", "/var/run/sentinel", "/run/sentinel", "/sys/fs/cgroup"} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			found[filepath.Join(dir, e.Name())] = "present"
		}
	}
	sockets, _ := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(sockets)) {
		// Not those of another run of these tests or of the benchmark beside.
		if strings.Contains(line, "sentinel-programs-") && !strings.Contains(line, world.base) {
			continue
		}
		if strings.Contains(line, "sentinel") && !strings.Contains(line, "sentinel-bench") {
			found["socket "+line] = "present"
		}
	}
	return found
}

func changes(before, after map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(before)) {
		switch now, ok := after[name]; {
		case !ok:
			list = append(list, name+": gone")
		case now != before[name]:
			list = append(list, fmt.Sprintf("%s: was %s, is %s", name, before[name], now))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, ok := before[name]; !ok {
			list = append(list, name+": new, "+after[name])
		}
	}
	return list
}
