package workloads

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// nobody is the ordinary user whom postgres runs as: it refuses to run as root.
const nobody = 65534

// PreparePostgres makes the data folder of a database that pgbench can ask, with
// Debian's postgres, natively and as an ordinary user, in a folder of its own
// below /tmp, and copies it to dir.
func PreparePostgres(dir string) error {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		return fmt.Errorf("no postgres: run tools/setup-debian")
	}
	bin := bins[len(bins)-1]
	temp, err := os.MkdirTemp("", "sentinel-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Chown(temp, nobody, nobody); err != nil {
		return err
	}
	data := filepath.Join(temp, "data")
	as := func(program string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, program), args...)
		cmd.Dir, cmd.Env = temp, []string{"PATH=" + bin + ":/usr/bin:/bin", "LC_ALL=C", "HOME=" + temp}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return cmd
	}
	run := func(program string, args ...string) error {
		out, err := as(program, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%.2000s", program, err, out)
		}
		return nil
	}
	if err := run("initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale", "--wal-segsize=1", "--no-sync"); err != nil {
		return err
	}
	// Nothing here is worth a disk, and the time zones are not copied.
	settings := `
fsync = off
max_wal_size = 16MB
min_wal_size = 2MB
shared_buffers = 32MB
dynamic_shared_memory_type = posix
jit = off
timezone = GMT
log_timezone = GMT
`
	conf, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = conf.WriteString(settings)
	if closeErr := conf.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	// Asked over a socket in its folder: no port that another may have.
	if err := run("pg_ctl", "-D", data, "-w", "-l", filepath.Join(temp, "log"), "-o", "-c listen_addresses= -k "+temp, "start"); err != nil {
		return err
	}
	err = run("pgbench", "-h", temp, "-U", "bench", "-i", "-s", "1", "-q", "postgres")
	if stopErr := run("pg_ctl", "-D", data, "-w", "-m", "fast", "stop"); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", data, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("copying the database: %w: %s", err, out)
	}
	return nil
}
