package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// runscVersion is what is built when the machine has no runsc.
const runscVersion = "v0.0.0-20260905035102-160fafc42237"

// A runtime starts a workload in a sandbox.
type runtime struct {
	name string
	// argv is the command line for a bundle and a container's name. Nil means
	// that the program itself is started, under chroot to root.
	argv func(bundle, id string) []string
	root string
}

func findRuntimes(o options, cache, rootfs, state string) ([]*runtime, error) {
	wanted := func(name string) bool {
		return o.runtimes == "" || slices.Contains(strings.Split(o.runtimes, ","), name)
	}
	var list []*runtime
	if wanted("chroot") {
		view, err := chrootView(state, rootfs)
		if err != nil {
			return nil, err
		}
		list = append(list, &runtime{name: "chroot", root: view})
	}
	for _, name := range []string{"runc", "crun"} {
		if !wanted(name) {
			continue
		}
		path, err := exec.LookPath(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: no %s here: run tools/setup-debian\n", name)
			continue
		}
		list = append(list, &runtime{name: name, argv: func(bundle, id string) []string {
			return []string{path, "--root", filepath.Join(state, name), "run", "--bundle", bundle, id}
		}})
	}
	if wanted("runsc") {
		path, err := findRunsc(filepath.Dir(cache))
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: without runsc:", err)
		} else {
			list = append(list, &runtime{name: "runsc", argv: func(bundle, id string) []string {
				return []string{path, "--root", filepath.Join(state, "runsc"), "--platform=systrap", "--network=host", "--ignore-cgroups", "run", "--bundle", bundle, id}
			}})
		}
	}
	for _, platform := range strings.Split(o.platforms, ",") {
		if !wanted("sentinel-" + platform) {
			continue
		}
		path, err := filepath.Abs(o.sentinel)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: without sentinel:", err)
			break
		}
		list = append(list, &runtime{name: "sentinel-" + platform, argv: func(bundle, id string) []string {
			name, plain := strings.CutSuffix(platform, "-nopatch")
			argv := []string{path, "run", "--platform=" + name, "--bundle", bundle}
			if plain {
				argv = append(argv, "--patch=off")
			}
			return append(argv, id)
		}})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no runtime to measure")
	}
	for _, r := range list {
		if r.argv != nil {
			r.root = rootfs
		}
	}
	return list, nil
}

// chrootView shows the root file system with proc and dev in it, in a place of
// its own, so that the other runtimes' copy stays free of mounts. They go with
// the mount namespace.
func chrootView(state, rootfs string) (string, error) {
	view := filepath.Join(state, "chroot")
	if err := os.Mkdir(view, 0o755); err != nil {
		return "", err
	}
	for _, args := range [][]string{
		{"--bind", rootfs, view},
		{"-t", "proc", "proc", filepath.Join(view, "proc")},
		{"-t", "tmpfs", "tmpfs", filepath.Join(view, "dev")},
		{"-t", "tmpfs", "tmpfs", filepath.Join(view, "tmp")},
	} {
		if out, err := exec.Command("mount", args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("mount %v: %w: %s", args, err, out)
		}
	}
	// What a container has there, postgres needs.
	shm := filepath.Join(view, "dev/shm")
	if err := os.Mkdir(shm, 0o777); err != nil {
		return "", err
	}
	for _, dir := range []string{shm, filepath.Join(view, "tmp")} {
		if err := os.Chmod(dir, 0o1777); err != nil {
			return "", err
		}
	}
	for name, minor := range map[string]int{"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9} {
		path := filepath.Join(view, "dev", name)
		err := syscall.Mknod(path, syscall.S_IFCHR, 1<<8|minor)
		if err == nil {
			err = os.Chmod(path, 0o666)
		}
		if err != nil {
			return "", &os.PathError{Op: "mknod", Path: path, Err: err}
		}
	}
	return view, nil
}

// findRunsc looks at RUNSC, then in PATH, then in the cache, and builds it as
// the last resort. Installing by version needs no module and touches none.
func findRunsc(cache string) (string, error) {
	if path := os.Getenv("RUNSC"); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath("runsc"); err == nil {
		return path, nil
	}
	path := filepath.Join(cache, "runsc")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintln(os.Stderr, "bench: building runsc, which takes minutes")
	cmd := exec.Command("go", "install", "-ldflags=-s -w", "gvisor.dev/gvisor/runsc@"+runscVersion)
	cmd.Dir = cache
	cmd.Env = append(os.Environ(), "GOBIN="+cache, "CGO_ENABLED=0", "GOFLAGS=-mod=mod")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install: %w\n%.2000s", err, out)
	}
	return path, nil
}

// writeBundle makes an OCI bundle for a cell. The configuration is what `runc spec`
// gives, less the cgroup namespace that not every host has. Without newNet the
// host's network is used; cgroup is where runc and crun put it, "" for wherever
// they like.
func (c *cell) writeBundle(cgroup string) error {
	type object = map[string]any
	namespaces := []object{{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}}
	if c.newNet {
		namespaces = append(namespaces, object{"type": "network"})
	}
	capabilities := []string{"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"}
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm", "LANG=C.UTF-8"}
	for _, setting := range os.Environ() {
		if strings.HasPrefix(setting, "OPENBLAS_") {
			env = append(env, setting) // this machine's processor may need it
		}
	}
	config := object{
		"ociVersion": "1.0.2",
		"process": object{
			"user": object{"uid": c.user, "gid": c.user}, "args": c.workload.Args, "env": env, "cwd": "/", "noNewPrivileges": true,
			"capabilities": object{"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
			"rlimits":      []object{{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}},
		},
		"root":     object{"path": c.runtime.root, "readonly": false},
		"hostname": "bench",
		"mounts": []object{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
			{"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": []string{"nosuid", "noexec", "nodev", "ro"}},
			{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "nodev", "mode=1777"}},
		},
		"linux": object{
			"namespaces":    namespaces,
			"maskedPaths":   []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"},
			"readonlyPaths": []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	if cgroup != "" {
		config["linux"].(object)["cgroupsPath"] = cgroup
	}
	if err := os.MkdirAll(c.bundle, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(config, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.bundle, "config.json"), text, 0o644)
}
