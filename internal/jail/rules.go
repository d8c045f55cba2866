package jail

import "golang.org/x/sys/unix"

// rules lists the host calls of the supervisor: the Go runtime's, those of the
// wrappers in packages host and platform, and those that it has guest
// processes make, which inherit the filter. Numbers that only amd64 has are in
// archRules.
func rules(c *Config) []rule {
	rs := always(
		// The Go runtime: memory, threads, signals, time.
		unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
		unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_SETAFFINITY,
		unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
		unix.SYS_FUTEX, unix.SYS_FUTEX_WAITV, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_GETPPID,
		unix.SYS_RESTART_SYSCALL, unix.SYS_GETRANDOM, unix.SYS_GETRUSAGE, unix.SYS_UNAME, unix.SYS_SYSINFO,
		unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID, unix.SYS_TIMES,
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_PIPE2, unix.SYS_PPOLL,
		// Memory of guest processes.
		unix.SYS_MPROTECT, unix.SYS_MREMAP, unix.SYS_MSYNC, unix.SYS_REMAP_FILE_PAGES, unix.SYS_MEMBARRIER, unix.SYS_GETCPU,
		unix.SYS_SET_TID_ADDRESS, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
		// Descriptors.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64,
		unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_PWRITEV2, unix.SYS_LSEEK,
		unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_DUP, unix.SYS_DUP3,
		unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_FSTATFS, unix.SYS_GETDENTS64, unix.SYS_READLINKAT,
		unix.SYS_FGETXATTR, unix.SYS_FLISTXATTR, unix.SYS_FADVISE64, unix.SYS_READAHEAD, unix.SYS_FLOCK,
		// Writes through descriptors that were opened for writing: files of
		// the memory layer, volumes, the caller's own.
		unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE,
		unix.SYS_SENDFILE, unix.SYS_COPY_FILE_RANGE, unix.SYS_SPLICE, unix.SYS_TEE,
		// Guest processes: their memory, their end.
		unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_WAIT4, unix.SYS_WAITID,
		unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_KILL, unix.SYS_TGKILL, unix.SYS_TKILL,
		// What a child does between clone and its first guest instruction:
		// no capabilities, a filter of its own. Whose children, and jobs of
		// which terminal, processes are.
		unix.SYS_CAPSET, unix.SYS_GETSID, unix.SYS_GETPGID, unix.SYS_SENDMSG, unix.SYS_RECVMSG,
	)
	const (
		threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD
		anyThread   = threadFlags | unix.CLONE_SYSVSEM | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID |
			unix.CLONE_CHILD_CLEARTID | unix.CLONE_CHILD_SETTID | unix.CLONE_PTRACE | unix.CLONE_UNTRACED | unix.CLONE_PARENT | 0xff
		// Name spaces are what clone must not make: no bit of them here.
	)
	rs = append(rs,
		when(unix.SYS_CLONE, within(0, anyThread|unix.CLONE_VFORK)),
		when(unix.SYS_PRCTL, is(0, unix.PR_GET_TIMERSLACK, unix.PR_SET_TIMERSLACK, unix.PR_SET_VMA, unix.PR_SET_PDEATHSIG,
			unix.PR_SET_NAME, unix.PR_SET_DUMPABLE, unix.PR_SET_NO_NEW_PRIVS, unix.PR_SET_THP_DISABLE)),
		// A process group of its own.
		when(unix.SYS_SETPGID, is(0, 0), is(1, 0)),
		// The channel to each guest process (platform trap).
		when(unix.SYS_SOCKETPAIR, is(0, unix.AF_UNIX)),
		when(unix.SYS_PRLIMIT64, is(0, 0)),
		when(unix.SYS_PRLIMIT64, is(1, unix.RLIMIT_AS)), // of guest processes
		when(unix.SYS_FCNTL, is(1, unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC,
			unix.F_ADD_SEALS, unix.F_GET_SEALS, unix.F_GETPIPE_SZ, unix.F_SETPIPE_SZ,
			unix.F_SETOWN, unix.F_SETSIG, unix.F_SETLK, unix.F_SETLKW, unix.F_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW, unix.F_OFD_GETLK)),
		when(unix.SYS_MEMFD_CREATE, within(1, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL|unix.MFD_EXEC)),
		// The only program that can be executed is the stub.
		when(unix.SYS_EXECVEAT, is(0, uint32(c.Spawn)), is(4, unix.AT_EMPTY_PATH)),
		when(unix.SYS_PTRACE, is(0,
			unix.PTRACE_SEIZE, unix.PTRACE_INTERRUPT, unix.PTRACE_LISTEN, unix.PTRACE_ATTACH, unix.PTRACE_DETACH,
			unix.PTRACE_SETOPTIONS, unix.PTRACE_GETEVENTMSG, unix.PTRACE_CONT, unix.PTRACE_SYSCALL,
			unix.PTRACE_SYSEMU, unix.PTRACE_SYSEMU_SINGLESTEP, unix.PTRACE_SINGLESTEP, unix.PTRACE_KILL,
			unix.PTRACE_GETREGSET, unix.PTRACE_SETREGSET, unix.PTRACE_GETSIGINFO, unix.PTRACE_SETSIGINFO,
			unix.PTRACE_GETSIGMASK, unix.PTRACE_SETSIGMASK, unix.PTRACE_GET_SYSCALL_INFO,
			unix.PTRACE_PEEKDATA, unix.PTRACE_POKEDATA, unix.PTRACE_PEEKUSR, unix.PTRACE_POKEUSR, unix.PTRACE_TRACEME)),
		// Terminals and readiness of the caller's own descriptors; attributes.
		when(unix.SYS_IOCTL, is(1, unix.TCGETS, unix.TCSETS, unix.TCSETSW, unix.TCSETSF, unix.TCGETS2, unix.TCSETS2, unix.TCSETSW2, unix.TCSETSF2, unix.TIOCGWINSZ, unix.TIOCSWINSZ,
			unix.TIOCGPGRP, unix.TIOCSPGRP, unix.TIOCGSID, unix.TIOCOUTQ, unix.TIOCINQ, fionbio, unix.TCSBRK, unix.TCFLSH, unix.TCXONC,
			unix.FICLONE, unix.FICLONERANGE, unix.FS_IOC_GETFLAGS, notifRecv, notifSend, notifSetFlags)),
		// Files are opened beneath directory descriptors. Without a writable
		// volume none is opened for writing; what openat2 opens, whose flags
		// a filter cannot see, Landlock and the read-only mount confine.
		when(unix.SYS_NEWFSTATAT),
		when(unix.SYS_OPENAT2),
		when(unix.SYS_FACCESSAT),
		when(unix.SYS_FACCESSAT2),
		when(unix.SYS_SECCOMP, is(0, unix.SECCOMP_SET_MODE_FILTER), within(1, unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW|unix.SECCOMP_FILTER_FLAG_NEW_LISTENER)),
	)
	if len(c.Write) == 0 {
		const readOnly = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_PATH | unix.O_NOATIME | unix.O_LARGEFILE | unix.O_NOCTTY | 0x8000
		rs = append(rs, when(unix.SYS_OPENAT, within(2, readOnly)))
	} else {
		rs = append(rs, always(unix.SYS_OPENAT, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2, unix.SYS_RENAMEAT, unix.SYS_LINKAT, unix.SYS_SYMLINKAT,
			unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT,
			unix.SYS_FSETXATTR, unix.SYS_FREMOVEXATTR, unix.SYS_SYNCFS)...)
		rs = append(rs, when(unix.SYS_MKNODAT, masked(2, unix.S_IFMT, 0, unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK)))
	}
	if c.HostNetwork {
		rs = append(rs, always(unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT4, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME,
			unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMMSG, unix.SYS_RECVMMSG,
			unix.SYS_SHUTDOWN, unix.SYS_GETSOCKOPT)...)
		rs = append(rs,
			when(unix.SYS_SOCKET, is(0, unix.AF_INET, unix.AF_INET6), masked(1, 0xf, unix.SOCK_STREAM, unix.SOCK_DGRAM)),
			when(unix.SYS_SOCKET, is(0, unix.AF_NETLINK), is(2, unix.NETLINK_ROUTE)),
			when(unix.SYS_SETSOCKOPT, is(1, unix.SOL_SOCKET, unix.IPPROTO_IP, unix.IPPROTO_IPV6, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6)))
	}
	return append(rs, archRules()...)
}

// Of seccomp_unotify(2): the bell of platform trap.
const (
	notifRecv     = 0xc0502100
	notifSend     = 0xc0182101
	notifSetFlags = 0x40082104
)

const fionbio = 0x5421 // FIONBIO, of include/uapi/asm-generic/ioctls.h
