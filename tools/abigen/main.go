// Command abigen writes internal/abi/linux's constants, system-call numbers
// and error numbers from the tables of golang.org/x/sys/unix, which are
// themselves generated from the kernel's headers.
//
// Run it with "go run ./tools/abigen" in the root of the module.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

const outDir = "internal/abi/linux"

// wanted selects the constants a kernel like ours speaks about.
var wanted = regexp.MustCompile(`^(` + strings.Join([]string{
	"AF_", "AT_", "CLOCK_", "CLONE_", "DT_", "EFD_", "EPOLL", "F_", "FALLOC_", "FD_", "FIO", "FS_",
	"FUTEX_", "GRND_", "ICANON", "IEXTEN", "ISIG", "ECHO", "INLCR", "ICRNL", "IGNCR", "IX", "OPOST", "ONLCR", "OCRNL", "ONOCR", "ONLRET", "TOSTOP", "NOFLSH", "BRKINT", "IGNBRK", "ISTRIP", "INPCK", "IUTF8", "PARMRK", "IMAXBEL", "CREAD", "CS[5-8]", "CSIZE", "HUPCL", "CLOCAL", "B38400$", "VINTR", "VQUIT", "VERASE", "VKILL", "VEOF", "VTIME", "VMIN", "VSWTC", "VSTART", "VSTOP", "VSUSP", "VEOL", "VREPRINT", "VDISCARD", "VWERASE", "VLNEXT",
	"IN_", "IP_", "IPV6_", "IPPROTO_", "ITIMER_", "LOCK_", "MADV_", "MAP_", "MCL_", "MEMBARRIER_", "MFD_", "MREMAP_", "MS_", "MSG_", "NETLINK_", "NLM_F_", "NLMSG_", "O_", "OPEN_TREE", "P_", "PIDFD_", "POLL", "PR_", "PRIO_", "PROT_", "PTRACE_", "RENAME_", "RESOLVE_", "RLIM", "RTM_", "RTA_", "RTN_", "RTPROT_", "RT_SCOPE_", "RUSAGE_", "IFA_", "IFLA_", "IFF_", "ARPHRD_", "RWF_", "S_I", "SCM_", "SECCOMP_", "SEEK_", "SFD_", "SHUT_", "SIOC", "SO_", "SOCK_", "SOL_", "SOMAXCONN", "SPLICE_F", "STATX_", "SYNC_FILE", "TCP_", "TCG", "TCS", "TCI", "TCO", "TCF", "TFD_", "TIMER_", "TIOC", "WALL", "WCLONE", "WNOTHREAD", "WCONTINUED", "WEXITED", "WNOHANG", "WNOWAIT", "WSTOPPED", "WUNTRACED", "XATTR_", "CAP_", "LANDLOCK_", "BPF_", "AUDIT_ARCH_X86_64", "AUDIT_ARCH_AARCH64", "SIG_", "UTIME_", "_LINUX_CAPABILITY", "[A-Z0-9]+_SUPER_MAGIC$", "[A-Z0-9]+_MAGIC$", "MNT_", "UMOUNT_", "USER_", "ST_", "CLOSE_RANGE", "NAME_MAX", "PATH_MAX", "LINUX_REBOOT",
}, "|") + `)`)

var unwanted = regexp.MustCompile(`^(BPF_F|MAP_FILE_FOO)`)

func main() {
	log.SetFlags(0)
	log.SetPrefix("abigen: ")
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		log.Fatalf("find golang.org/x/sys: %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "unix")
	consts("", dir, "zz_generated_consts.go", "zerrors_linux.go", "ztypes_linux.go")
	for _, arch := range []string{"amd64", "arm64"} {
		consts(arch, dir, "zz_generated_consts_"+arch+".go", "zerrors_linux_"+arch+".go", "ztypes_linux_"+arch+".go")
		sysnums(arch, dir)
	}
	errnos(dir)
}

type pair struct{ name, value string }

// read returns the constants of the named files with their source text.
func read(dir string, names ...string) []pair {
	var ps []pair
	for _, n := range names {
		fset := token.NewFileSet()
		src, err := os.ReadFile(filepath.Join(dir, n))
		if err != nil {
			log.Fatal(err)
		}
		f, err := parser.ParseFile(fset, n, src, 0)
		if err != nil {
			log.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				if len(v.Values) != len(v.Names) {
					continue
				}
				for i, id := range v.Names {
					b := src[fset.Position(v.Values[i].Pos()).Offset:fset.Position(v.Values[i].End()).Offset]
					ps = append(ps, pair{id.Name, string(b)})
				}
			}
		}
	}
	return ps
}

var literal = regexp.MustCompile(`^-?(0x[0-9a-f]+|[0-9]+)$`)

func consts(arch, dir, file string, from ...string) {
	var b bytes.Buffer
	header(&b)
	b.WriteString("// Constants of the Linux ABI, by their names in the kernel's headers.\nconst (\n")
	seen := map[string]bool{}
	for _, p := range read(dir, from...) {
		if !wanted.MatchString(p.name) || unwanted.MatchString(p.name) || !literal.MatchString(p.value) || seen[p.name] {
			continue
		}
		seen[p.name] = true
		fmt.Fprintf(&b, "\t%s = %s\n", p.name, p.value)
	}
	b.WriteString(")\n")
	write(file, b.Bytes())
}

func sysnums(arch, dir string) {
	var b bytes.Buffer
	header(&b)
	b.WriteString("// System-call numbers.\nconst (\n")
	for _, p := range read(dir, "zsysnum_linux_"+arch+".go") {
		fmt.Fprintf(&b, "\t%s = %s\n", p.name, p.value)
	}
	b.WriteString(")\n")
	write("zz_generated_sysnum_"+arch+".go", b.Bytes())
}

// errnos writes the error numbers, which are the same on amd64 and arm64.
func errnos(dir string) {
	src, err := os.ReadFile(filepath.Join(dir, "zerrors_linux_amd64.go"))
	if err != nil {
		log.Fatal(err)
	}
	gen, err := os.ReadFile(filepath.Join(dir, "zerrors_linux.go"))
	if err != nil {
		log.Fatal(err)
	}
	src = append(src, gen...)
	re := regexp.MustCompile(`(?m)^\s+(E[A-Z0-9]+)\s+= syscall\.Errno\((0x[0-9a-f]+)\)`)
	text := regexp.MustCompile(`(?m)^\s+\{(\d+), "(E[A-Z0-9]+)", "(.*)"\},`)
	num := map[string]string{}
	for _, m := range re.FindAllStringSubmatch(string(src), -1) {
		num[m[1]] = m[2]
	}
	names := make([]string, 0, len(num))
	for n := range num {
		names = append(names, n)
	}
	sort.Strings(names)
	var b bytes.Buffer
	header(&b)
	b.WriteString("// Error numbers, from include/uapi/asm-generic/errno{,-base}.h.\nconst (\n")
	for _, n := range names {
		fmt.Fprintf(&b, "\t%s Errno = %s\n", n, num[n])
	}
	b.WriteString(")\n\nvar errnoText = [...]struct{ name, text string }{\n")
	for _, m := range text.FindAllStringSubmatch(string(src), -1) {
		fmt.Fprintf(&b, "\t%s: {%q, %q},\n", m[1], m[2], m[3])
	}
	b.WriteString("}\n")
	write("zz_generated_errno.go", b.Bytes())
}

func header(b *bytes.Buffer) {
	b.WriteString("// Code generated by tools/abigen from golang.org/x/sys/unix. DO NOT EDIT.\n\npackage linux\n\n")
}

func write(name string, src []byte) {
	out, err := format.Source(src)
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(outDir, name), out, 0o644); err != nil {
		log.Fatal(err)
	}
}
