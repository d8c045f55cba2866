package workloads

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tools gives a developer's commands: gcc of a small file, git status of the tree
// that PrepareTree makes, and a shell that starts ten programs.
func Tools(data string) []Workload {
	return []Workload{
		{"gcc-hello", []string{"/bin/sh", filepath.Join(data, "gcc-hello.sh"), filepath.Join(data, "hello.c")}},
		// Whose the files are, and the numbers of their inodes, depends on the sandbox.
		{"git-status", []string{"/usr/bin/git", "--no-optional-locks", "-c", "safe.directory=*", "-C", filepath.Join(data, "tree"), "status"}},
		{"sh-ten", []string{"/bin/sh", "-c", "for i in 0 1 2 3 4 5 6 7 8 9; do /bin/true || exit; done"}},
	}
}

// A Server is a script that starts a server, has a benchmark ask it, and prints
// a row's name and microseconds a request, one row a line. Its last argument is
// the port.
type Server struct {
	Name   string
	Script string
	Rows   []string
	User   int // 0 for root
}

// Servers are those measured under load.
var Servers = []Server{
	{"redis", "redis.sh", []string{"redis-set", "redis-get"}, 0},
	{"nginx", "nginx.sh", []string{"nginx-wrk"}, 0},
	{"postgres", "postgres.sh", []string{"pgbench"}, nobody},
}

// Loads are the programs that run several at once: the small ones, a developer's,
// and the applications. QuickLoads are those for a first look.
var (
	Loads = []string{"true", "hello-c", "hello-python", "hello-ruby", "sh-ten", "gcc-hello", "git-status",
		"json-ruby", "matmul-numpy", "edges-opencv", "download", "mobilenet", EmptyGo.Name}
	QuickLoads = []string{"true", "hello-python", "hello-ruby", "sh-ten", "gcc-hello", "git-status", EmptyGo.Name}
)

// Pairs are the numbers of pairs for the program pairs, Handovers the programs
// whose hand-overs to the supervisor are counted.
var (
	Pairs     = []int{1, 4, 16}
	Handovers = []string{"hello-python", "hello-ruby", "git-status"}
)

// HandoversBefore is how often the supervisor waited for each of Handovers on
// 2026-11-30, platform trap, while nobody watched.
var HandoversBefore = map[string]int{"hello-python": 322, "hello-ruby": 2192, "git-status": 6066}

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
