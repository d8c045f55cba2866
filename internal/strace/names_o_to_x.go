package strace

import "sentinel/internal/abi/linux"

// Sets of names that table.txt refers to, from O to X.
var (
	namesOpen = []name{
		{linux.O_WRONLY, "O_WRONLY"},
		{linux.O_RDWR, "O_RDWR"},
		{linux.O_CREAT, "O_CREAT"},
		{linux.O_EXCL, "O_EXCL"},
		{linux.O_NOCTTY, "O_NOCTTY"},
		{linux.O_TRUNC, "O_TRUNC"},
		{linux.O_APPEND, "O_APPEND"},
		{linux.O_NONBLOCK, "O_NONBLOCK"},
		{linux.O_SYNC, "O_SYNC"},
		{linux.O_DSYNC, "O_DSYNC"},
		{linux.O_ASYNC, "O_ASYNC"},
		{linux.O_DIRECT, "O_DIRECT"},
		{linux.O_TMPFILE, "O_TMPFILE"},
		{linux.O_DIRECTORY, "O_DIRECTORY"},
		{linux.O_NOFOLLOW, "O_NOFOLLOW"},
		{linux.O_NOATIME, "O_NOATIME"},
		{linux.O_CLOEXEC, "O_CLOEXEC"},
		{linux.O_PATH, "O_PATH"},
	}
	namesPoll = []name{
		{linux.POLLIN, "POLLIN"},
		{linux.POLLPRI, "POLLPRI"},
		{linux.POLLOUT, "POLLOUT"},
		{linux.POLLERR, "POLLERR"},
		{linux.POLLHUP, "POLLHUP"},
		{linux.POLLNVAL, "POLLNVAL"},
		{linux.POLLRDHUP, "POLLRDHUP"},
	}
	namesPrctl = []name{
		{linux.PR_CAPBSET_DROP, "PR_CAPBSET_DROP"},
		{linux.PR_CAPBSET_READ, "PR_CAPBSET_READ"},
		{linux.PR_CAP_AMBIENT, "PR_CAP_AMBIENT"},
		{linux.PR_CAP_AMBIENT_CLEAR_ALL, "PR_CAP_AMBIENT_CLEAR_ALL"},
		{linux.PR_CAP_AMBIENT_IS_SET, "PR_CAP_AMBIENT_IS_SET"},
		{linux.PR_CAP_AMBIENT_LOWER, "PR_CAP_AMBIENT_LOWER"},
		{linux.PR_CAP_AMBIENT_RAISE, "PR_CAP_AMBIENT_RAISE"},
		{linux.PR_GET_AUXV, "PR_GET_AUXV"},
		{linux.PR_GET_CFI, "PR_GET_CFI"},
		{linux.PR_GET_CHILD_SUBREAPER, "PR_GET_CHILD_SUBREAPER"},
		{linux.PR_GET_DUMPABLE, "PR_GET_DUMPABLE"},
		{linux.PR_GET_ENDIAN, "PR_GET_ENDIAN"},
		{linux.PR_GET_FPEMU, "PR_GET_FPEMU"},
		{linux.PR_GET_FPEXC, "PR_GET_FPEXC"},
		{linux.PR_GET_FP_MODE, "PR_GET_FP_MODE"},
		{linux.PR_GET_IO_FLUSHER, "PR_GET_IO_FLUSHER"},
		{linux.PR_GET_KEEPCAPS, "PR_GET_KEEPCAPS"},
		{linux.PR_GET_MDWE, "PR_GET_MDWE"},
		{linux.PR_GET_MEMORY_MERGE, "PR_GET_MEMORY_MERGE"},
		{linux.PR_GET_NAME, "PR_GET_NAME"},
		{linux.PR_GET_NO_NEW_PRIVS, "PR_GET_NO_NEW_PRIVS"},
		{linux.PR_GET_PDEATHSIG, "PR_GET_PDEATHSIG"},
		{linux.PR_GET_SECCOMP, "PR_GET_SECCOMP"},
		{linux.PR_GET_SECUREBITS, "PR_GET_SECUREBITS"},
		{linux.PR_GET_SHADOW_STACK_STATUS, "PR_GET_SHADOW_STACK_STATUS"},
		{linux.PR_GET_SPECULATION_CTRL, "PR_GET_SPECULATION_CTRL"},
		{linux.PR_GET_TAGGED_ADDR_CTRL, "PR_GET_TAGGED_ADDR_CTRL"},
		{linux.PR_GET_THP_DISABLE, "PR_GET_THP_DISABLE"},
		{linux.PR_GET_TID_ADDRESS, "PR_GET_TID_ADDRESS"},
		{linux.PR_GET_TIMERSLACK, "PR_GET_TIMERSLACK"},
		{linux.PR_GET_TIMING, "PR_GET_TIMING"},
		{linux.PR_GET_TSC, "PR_GET_TSC"},
		{linux.PR_GET_UNALIGN, "PR_GET_UNALIGN"},
		{linux.PR_SET_CFI, "PR_SET_CFI"},
		{linux.PR_SET_CHILD_SUBREAPER, "PR_SET_CHILD_SUBREAPER"},
		{linux.PR_SET_DUMPABLE, "PR_SET_DUMPABLE"},
		{linux.PR_SET_ENDIAN, "PR_SET_ENDIAN"},
		{linux.PR_SET_FPEMU, "PR_SET_FPEMU"},
		{linux.PR_SET_FPEXC, "PR_SET_FPEXC"},
		{linux.PR_SET_FP_MODE, "PR_SET_FP_MODE"},
		{linux.PR_SET_IO_FLUSHER, "PR_SET_IO_FLUSHER"},
		{linux.PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS"},
		{linux.PR_SET_MDWE, "PR_SET_MDWE"},
		{linux.PR_SET_MEMORY_MERGE, "PR_SET_MEMORY_MERGE"},
		{linux.PR_SET_MM, "PR_SET_MM"},
		{linux.PR_SET_NAME, "PR_SET_NAME"},
		{linux.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"},
		{linux.PR_SET_PDEATHSIG, "PR_SET_PDEATHSIG"},
		{linux.PR_SET_PTRACER, "PR_SET_PTRACER"},
		{linux.PR_SET_SECCOMP, "PR_SET_SECCOMP"},
		{linux.PR_SET_SECUREBITS, "PR_SET_SECUREBITS"},
		{linux.PR_SET_SHADOW_STACK_STATUS, "PR_SET_SHADOW_STACK_STATUS"},
		{linux.PR_SET_SPECULATION_CTRL, "PR_SET_SPECULATION_CTRL"},
		{linux.PR_SET_SYSCALL_USER_DISPATCH, "PR_SET_SYSCALL_USER_DISPATCH"},
		{linux.PR_SET_TAGGED_ADDR_CTRL, "PR_SET_TAGGED_ADDR_CTRL"},
		{linux.PR_SET_THP_DISABLE, "PR_SET_THP_DISABLE"},
		{linux.PR_SET_TIMERSLACK, "PR_SET_TIMERSLACK"},
		{linux.PR_SET_TIMING, "PR_SET_TIMING"},
		{linux.PR_SET_TSC, "PR_SET_TSC"},
		{linux.PR_SET_UNALIGN, "PR_SET_UNALIGN"},
		{linux.PR_SET_VMA, "PR_SET_VMA"},
		{linux.PR_SET_VMA_ANON_NAME, "PR_SET_VMA_ANON_NAME"},
	}
	namesPrio = []name{
		{linux.PRIO_PROCESS, "PRIO_PROCESS"},
		{linux.PRIO_PGRP, "PRIO_PGRP"},
		{linux.PRIO_USER, "PRIO_USER"},
	}
	namesProt = []name{
		{linux.PROT_READ, "PROT_READ"},
		{linux.PROT_WRITE, "PROT_WRITE"},
		{linux.PROT_EXEC, "PROT_EXEC"},
		{linux.PROT_GROWSDOWN, "PROT_GROWSDOWN"},
		{linux.PROT_GROWSUP, "PROT_GROWSUP"},
	}
	namesRename = []name{
		{linux.RENAME_NOREPLACE, "RENAME_NOREPLACE"},
		{linux.RENAME_EXCHANGE, "RENAME_EXCHANGE"},
		{linux.RENAME_WHITEOUT, "RENAME_WHITEOUT"},
	}
	namesResolve = []name{
		{linux.RESOLVE_NO_XDEV, "RESOLVE_NO_XDEV"},
		{linux.RESOLVE_NO_MAGICLINKS, "RESOLVE_NO_MAGICLINKS"},
		{linux.RESOLVE_NO_SYMLINKS, "RESOLVE_NO_SYMLINKS"},
		{linux.RESOLVE_BENEATH, "RESOLVE_BENEATH"},
		{linux.RESOLVE_IN_ROOT, "RESOLVE_IN_ROOT"},
	}
	namesRlimit = []name{
		{linux.RLIMIT_CPU, "RLIMIT_CPU"},
		{linux.RLIMIT_FSIZE, "RLIMIT_FSIZE"},
		{linux.RLIMIT_DATA, "RLIMIT_DATA"},
		{linux.RLIMIT_STACK, "RLIMIT_STACK"},
		{linux.RLIMIT_CORE, "RLIMIT_CORE"},
		{linux.RLIMIT_RSS, "RLIMIT_RSS"},
		{linux.RLIMIT_NPROC, "RLIMIT_NPROC"},
		{linux.RLIMIT_NOFILE, "RLIMIT_NOFILE"},
		{linux.RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK"},
		{linux.RLIMIT_AS, "RLIMIT_AS"},
		{linux.RLIMIT_LOCKS, "RLIMIT_LOCKS"},
		{linux.RLIMIT_SIGPENDING, "RLIMIT_SIGPENDING"},
		{linux.RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE"},
		{linux.RLIMIT_NICE, "RLIMIT_NICE"},
		{linux.RLIMIT_RTPRIO, "RLIMIT_RTPRIO"},
		{linux.RLIMIT_RTTIME, "RLIMIT_RTTIME"},
	}
	namesRusage = []name{
		{linux.RUSAGE_SELF, "RUSAGE_SELF"},
		{0xffffffff, "RUSAGE_CHILDREN"},
		{linux.RUSAGE_THREAD, "RUSAGE_THREAD"},
	}
	namesRwf = []name{
		{linux.RWF_HIPRI, "RWF_HIPRI"},
		{linux.RWF_DSYNC, "RWF_DSYNC"},
		{linux.RWF_SYNC, "RWF_SYNC"},
		{linux.RWF_NOWAIT, "RWF_NOWAIT"},
		{linux.RWF_APPEND, "RWF_APPEND"},
	}
	namesSa = []name{
		{0x4000000, "SA_RESTORER"},
		{0x8000000, "SA_ONSTACK"},
		{0x10000000, "SA_RESTART"},
		{0x40000000, "SA_NODEFER"},
		{0x80000000, "SA_RESETHAND"},
		{1, "SA_NOCLDSTOP"},
		{2, "SA_NOCLDWAIT"},
		{4, "SA_SIGINFO"},
	}
	namesSched = []name{
		{0, "SCHED_OTHER"},
		{1, "SCHED_FIFO"},
		{2, "SCHED_RR"},
		{3, "SCHED_BATCH"},
		{5, "SCHED_IDLE"},
		{6, "SCHED_DEADLINE"},
	}
	namesSeals = []name{
		{linux.F_SEAL_SEAL, "F_SEAL_SEAL"},
		{linux.F_SEAL_SHRINK, "F_SEAL_SHRINK"},
		{linux.F_SEAL_GROW, "F_SEAL_GROW"},
		{linux.F_SEAL_WRITE, "F_SEAL_WRITE"},
		{linux.F_SEAL_FUTURE_WRITE, "F_SEAL_FUTURE_WRITE"},
		{linux.F_SEAL_EXEC, "F_SEAL_EXEC"},
	}
	namesSeek = []name{
		{linux.SEEK_SET, "SEEK_SET"},
		{linux.SEEK_CUR, "SEEK_CUR"},
		{linux.SEEK_END, "SEEK_END"},
		{linux.SEEK_DATA, "SEEK_DATA"},
		{linux.SEEK_HOLE, "SEEK_HOLE"},
	}
	namesShmat = []name{
		{4096, "SHM_RDONLY"},
		{8192, "SHM_RND"},
		{16384, "SHM_REMAP"},
		{32768, "SHM_EXEC"},
	}
	namesShmget = []name{
		{512, "IPC_CREAT"},
		{1024, "IPC_EXCL"},
	}
	namesShut = []name{
		{linux.SHUT_RD, "SHUT_RD"},
		{linux.SHUT_WR, "SHUT_WR"},
		{linux.SHUT_RDWR, "SHUT_RDWR"},
	}
	namesSigmask = []name{
		{linux.SIG_BLOCK, "SIG_BLOCK"},
		{linux.SIG_UNBLOCK, "SIG_UNBLOCK"},
		{linux.SIG_SETMASK, "SIG_SETMASK"},
	}
	namesSockflags = []name{
		{linux.SOCK_CLOEXEC, "SOCK_CLOEXEC"},
		{linux.SOCK_NONBLOCK, "SOCK_NONBLOCK"},
	}
	namesSocktype = []name{
		{linux.SOCK_CLOEXEC, "SOCK_CLOEXEC"},
		{linux.SOCK_NONBLOCK, "SOCK_NONBLOCK"},
	}
	namesSol = []name{
		{linux.SOL_IP, "SOL_IP"},
		{linux.SOL_SOCKET, "SOL_SOCKET"},
		{linux.SOL_TCP, "SOL_TCP"},
		{linux.SOL_UDP, "SOL_UDP"},
		{linux.SOL_IPV6, "SOL_IPV6"},
		{linux.SOL_NETLINK, "SOL_NETLINK"},
		{linux.SOL_RAW, "SOL_RAW"},
	}
	namesSplice = []name{
		{linux.SPLICE_F_MOVE, "SPLICE_F_MOVE"},
		{linux.SPLICE_F_NONBLOCK, "SPLICE_F_NONBLOCK"},
		{linux.SPLICE_F_MORE, "SPLICE_F_MORE"},
		{linux.SPLICE_F_GIFT, "SPLICE_F_GIFT"},
	}
	namesStatx = []name{
		{linux.STATX_TYPE, "STATX_TYPE"},
		{linux.STATX_MODE, "STATX_MODE"},
		{linux.STATX_NLINK, "STATX_NLINK"},
		{linux.STATX_UID, "STATX_UID"},
		{linux.STATX_GID, "STATX_GID"},
		{linux.STATX_ATIME, "STATX_ATIME"},
		{linux.STATX_MTIME, "STATX_MTIME"},
		{linux.STATX_CTIME, "STATX_CTIME"},
		{linux.STATX_INO, "STATX_INO"},
		{linux.STATX_SIZE, "STATX_SIZE"},
		{linux.STATX_BLOCKS, "STATX_BLOCKS"},
		{linux.STATX_BTIME, "STATX_BTIME"},
		{linux.STATX_MNT_ID, "STATX_MNT_ID"},
		{linux.STATX_DIOALIGN, "STATX_DIOALIGN"},
	}
	namesTfd = []name{
		{linux.TFD_CLOEXEC, "TFD_CLOEXEC"},
		{linux.TFD_NONBLOCK, "TFD_NONBLOCK"},
	}
	namesTimer = []name{
		{1, "TIMER_ABSTIME"},
		{2, "TFD_TIMER_CANCEL_ON_SET"},
	}
	namesUnlinkat = []name{
		{linux.AT_REMOVEDIR, "AT_REMOVEDIR"},
	}
	namesWait = []name{
		{linux.WNOHANG, "WNOHANG"},
		{linux.WUNTRACED, "WUNTRACED"},
		{linux.WEXITED, "WEXITED"},
		{linux.WCONTINUED, "WCONTINUED"},
		{linux.WNOWAIT, "WNOWAIT"},
		{0x20000000, "__WNOTHREAD"},
		{0x40000000, "__WALL"},
		{0x80000000, "__WCLONE"},
	}
	namesWaitid = []name{
		{linux.P_ALL, "P_ALL"},
		{linux.P_PID, "P_PID"},
		{linux.P_PGID, "P_PGID"},
		{linux.P_PIDFD, "P_PIDFD"},
	}
	namesXattr = []name{
		{linux.XATTR_CREATE, "XATTR_CREATE"},
		{linux.XATTR_REPLACE, "XATTR_REPLACE"},
	}
)
