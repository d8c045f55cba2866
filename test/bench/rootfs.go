package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sentinel/test/bench/workloads"
)

// rootfsVersion changes when what goes into the root file system does.
const rootfsVersion = "3"

// What the workloads need of the host, besides what ldd says of it.
var (
	programs = []string{"/usr/bin/true", "/usr/bin/sleep", "/usr/bin/cat", "/usr/bin/ls", "/usr/bin/dash", "/usr/bin/bash", "/usr/bin/env", "/usr/bin/python3", "/usr/bin/ruby", "/bin/busybox",
		"/usr/bin/redis-server", "/usr/bin/redis-cli", "/usr/bin/redis-benchmark", "/usr/sbin/nginx", "/usr/bin/wrk", "/usr/bin/git", "/usr/bin/gcc", "/usr/bin/as", "/usr/bin/ld"}
	trees = []string{
		"/usr/lib/python3.11", "/usr/lib/python3/dist-packages/numpy", "/usr/lib/python3/dist-packages/cv2",
		"/usr/lib/ruby", "/usr/lib/x86_64-linux-gnu/ruby", "/var/lib/gems", "/usr/share/rubygems-integration", "/usr/lib/locale/C.utf8",
		"/usr/include/x86_64-linux-gnu/bits", "/usr/include/x86_64-linux-gnu/sys", "/usr/include/x86_64-linux-gnu/gnu",
	}
	patterns = []string{"/usr/lib/python3/dist-packages/cv2*.so", "/usr/lib/x86_64-linux-gnu/libnss_*.so.2",
		"/usr/include/*.h", "/usr/lib/x86_64-linux-gnu/*crt[1in].o", "/usr/lib/x86_64-linux-gnu/libc.so", "/usr/lib/x86_64-linux-gnu/libc_nonshared.a",
		"/usr/lib/postgresql/*/bin/postgres", "/usr/lib/postgresql/*/bin/pgbench", "/usr/lib/postgresql/*/lib/plpgsql.so", "/usr/share/postgresql/*/timezonesets/*"}
	// compiler is what gcc has of its own to compile and link C.
	compiler = []string{"cc1", "collect2", "lto-wrapper", "liblto_plugin.so", "crtbeginS.o", "crtendS.o", "libgcc.a", "libgcc_s.so", "include/*.h"}
	etc      = []string{"/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/hosts", "/etc/resolv.conf", "/etc/ld.so.conf", "/etc/localtime"}
)

// buildRootfs makes the root file system that all runtimes share, from the
// host's own files, unless the cache has one made of the same packages.
func buildRootfs(cache, model string, rebuild bool) (string, error) {
	rootfs := filepath.Join(cache, "rootfs")
	packages, err := exec.Command("dpkg-query", "-W", "libc6", "python3", "python3-numpy", "python3-opencv", "ruby", "libruby3.1",
		"redis-server", "redis-tools", "nginx", "wrk", "git", "gcc", "binutils", "libc6-dev", "postgresql").Output()
	if err != nil {
		return "", fmt.Errorf("dpkg-query: %w: run tools/setup-debian", err)
	}
	_, noModel := os.Stat(filepath.Join(model, "mobilenet_v2_1.0_224_quant.tflite"))
	key := fmt.Sprintf("%s\n%smodel: %v\n", rootfsVersion, packages, noModel == nil)
	stamp := filepath.Join(cache, "rootfs.made-of")
	made, _ := os.ReadFile(stamp)
	if string(made) != key || rebuild {
		fmt.Fprintln(os.Stderr, "bench: making", rootfs)
		os.Remove(stamp)
		if err := os.RemoveAll(rootfs); err != nil {
			return "", err
		}
		if err := copyHost(rootfs); err != nil {
			return "", err
		}
		if err := workloads.Prepare(filepath.Join(rootfs, "data"), model); err != nil {
			return "", err
		}
		if err := workloads.PrepareTree(filepath.Join(rootfs, "data/tree")); err != nil {
			return "", err
		}
		if err := workloads.PreparePostgres(filepath.Join(rootfs, "data/postgres")); err != nil {
			return "", err
		}
		if err := os.WriteFile(stamp, []byte(key), 0o644); err != nil {
			return "", err
		}
	} else if err := workloads.Prepare(filepath.Join(rootfs, "data"), ""); err != nil {
		return "", err
	}
	// Small and quick: always as the sources are now.
	return rootfs, workloads.Compile(filepath.Join(rootfs, "data"), filepath.Join(rootfs, "usr/bin"))
}

func copyHost(rootfs string) error {
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "proc", "sys", "dev", "tmp", "run", "root", "var/tmp", "data"} {
		if err := os.MkdirAll(filepath.Join(rootfs, dir), 0o755); err != nil {
			return err
		}
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+dir, filepath.Join(rootfs, dir)); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(rootfs, "tmp"), 0o1777); err != nil {
		return err
	}
	needs := map[string]bool{}
	add := func(path string) error {
		needs[path] = true
		out, _ := exec.Command("ldd", path).Output()
		for line := range strings.Lines(string(out)) {
			for _, field := range strings.Fields(line) {
				if strings.HasPrefix(field, "/") {
					needs[field] = true
				}
			}
		}
		return nil
	}
	for _, tree := range trees {
		if _, err := os.Stat(tree); err != nil {
			continue
		}
		target := filepath.Join(rootfs, tree)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if out, err := exec.Command("cp", "-aL", tree, filepath.Dir(target)).CombinedOutput(); err != nil {
			// Links to what is not installed are no loss.
			fmt.Fprintf(os.Stderr, "bench: copying %s: %s\n", tree, out)
		}
		err := filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && strings.Contains(filepath.Base(path), ".so") && isELF(path) {
				return add(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	libgcc, err := exec.Command("gcc", "-print-libgcc-file-name").Output()
	if err != nil {
		return fmt.Errorf("gcc: %w: run tools/setup-debian", err)
	}
	wanted := slices.Clone(patterns)
	for _, name := range compiler {
		wanted = append(wanted, filepath.Join(filepath.Dir(strings.TrimSpace(string(libgcc))), name))
	}
	for _, pattern := range wanted {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			add(path)
		}
	}
	for _, path := range programs {
		add(path)
	}
	// The data folder's Python runtime links to libraries as well.
	if cache, err := workloads.CacheDir(); err == nil {
		paths, _ := filepath.Glob(filepath.Join(cache, "tflite/tflite_runtime/*.so"))
		for _, path := range paths {
			add(path)
			delete(needs, path)
		}
	}
	for path := range needs {
		target := filepath.Join(rootfs, path)
		if _, err := os.Stat(target); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if out, err := exec.Command("cp", "-pL", path, target).CombinedOutput(); err != nil {
			return fmt.Errorf("copying %s: %s: run tools/setup-debian", path, out)
		}
	}
	for _, path := range etc {
		exec.Command("cp", "-pL", path, filepath.Join(rootfs, path)).Run()
	}
	exec.Command("cp", "-aL", "/etc/ld.so.conf.d", filepath.Join(rootfs, "etc")).Run()
	if err := os.Symlink("dash", filepath.Join(rootfs, "usr/bin/sh")); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if out, err := exec.Command("ldconfig", "-r", rootfs).CombinedOutput(); err != nil {
		return fmt.Errorf("ldconfig: %w: %s", err, out)
	}
	return nil
}

func isELF(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// serve gives the picture to whoever asks on loopback.
func serve(picture []byte) (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/bmp")
			w.Write(picture)
		}),
	}
	go server.Serve(listener)
	return listener, nil
}
