package workloads

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tools gives a developer's commands: gcc of a small file, and git status of the
// tree that PrepareTree makes.
func Tools(data string) []Workload {
	return []Workload{
		{"gcc-hello", []string{"/bin/sh", filepath.Join(data, "gcc-hello.sh"), filepath.Join(data, "hello.c")}},
		// Whose the files are, and the numbers of their inodes, depends on the sandbox.
		{"git-status", []string{"/usr/bin/git", "--no-optional-locks", "-c", "safe.directory=*", "-C", filepath.Join(data, "tree"), "status"}},
	}
}

// A Server is a script that starts a server, has a benchmark ask it, and prints
// a row's name and microseconds a request, one row a line. Its last argument is
// the port.
type Server struct {
	Name   string
	Script string
	Rows   []string
}

// Servers are those measured under load.
var Servers = []Server{
	{"redis", "redis.sh", []string{"redis-set", "redis-get"}},
	{"nginx", "nginx.sh", []string{"nginx-wrk"}},
}

// Args is the server's command, to which the port is to be added.
func (s Server) Args(data string) []string {
	return []string{"/bin/bash", filepath.Join(data, s.Script)}
}

// The tree has so many folders of folders of files.
const (
	treeParts, treeModules, treeEach = 10, 10, 50
	TreeFiles                        = treeParts * treeModules * treeEach // that git compares
)

// PrepareTree makes a git repository of TreeFiles files, with one change and one
// file that is not in it. All carry Epoch, and git compares only that and sizes:
// else the first sandbox with inodes of its own would have to read every file.
func PrepareTree(dir string) error {
	r := random(3)
	var files []string
	for a := range treeParts {
		for b := range treeModules {
			folder := filepath.Join(dir, fmt.Sprintf("part%d/module%d", a, b))
			if err := os.MkdirAll(folder, 0o755); err != nil {
				return err
			}
			for c := range treeEach {
				name := filepath.Join(folder, fmt.Sprintf("file%02d.txt", c))
				text := strings.Repeat(fmt.Sprintf("line %d\n", r.next(1e6)), 10+r.next(100))
				if err := writeAtEpoch(name, text); err != nil {
					return err
				}
				files = append(files, name)
			}
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"config", "core.checkStat", "minimal"},
		{"config", "core.trustctime", "false"},
		{"add", "."},
		{"commit", "-q", "-m", "everything"},
		{"repack", "-a", "-d", "-q"},
	} {
		cmd := exec.Command("git", append([]string{"-c", "safe.directory=*", "-c", "user.name=bench", "-c", "user.email=bench@localhost"}, args...)...)
		cmd.Dir = dir
		date := fmt.Sprintf("%d +0000", Epoch.Unix())
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %v: %w\n%s", args, err, out)
		}
	}
	if err := writeAtEpoch(files[len(files)/2], "changed\n"); err != nil {
		return err
	}
	return writeAtEpoch(filepath.Join(dir, "new.txt"), "new\n")
}

func writeAtEpoch(name, text string) error {
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Chtimes(name, Epoch, Epoch)
}
