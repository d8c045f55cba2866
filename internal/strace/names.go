package strace

import "sentinel/internal/abi/linux"

// name is one bit or value and what strace(1) calls it.
type name struct {
	value uint64
	text  string
}

// Sets of names that table.txt refers to.
var (
	namesAccess = []name{
		{4, "R_OK"},
		{2, "W_OK"},
		{1, "X_OK"},
	}
	namesAf = []name{
		{linux.AF_UNSPEC, "AF_UNSPEC"},
		{linux.AF_UNIX, "AF_UNIX"},
		{linux.AF_INET, "AF_INET"},
		{linux.AF_INET6, "AF_INET6"},
		{linux.AF_NETLINK, "AF_NETLINK"},
		{linux.AF_PACKET, "AF_PACKET"},
		{linux.AF_VSOCK, "AF_VSOCK"},
		{linux.AF_ALG, "AF_ALG"},
		{linux.AF_BLUETOOTH, "AF_BLUETOOTH"},
	}
	namesArchprctl = []name{
		{0x1001, "ARCH_SET_GS"},
		{0x1002, "ARCH_SET_FS"},
		{0x1003, "ARCH_GET_FS"},
		{0x1004, "ARCH_GET_GS"},
		{0x1011, "ARCH_GET_CPUID"},
		{0x1012, "ARCH_SET_CPUID"},
		{0x1022, "ARCH_GET_XCOMP_PERM"},
		{0x5001, "ARCH_SHSTK_ENABLE"},
	}
	namesAt = []name{
		{linux.AT_SYMLINK_NOFOLLOW, "AT_SYMLINK_NOFOLLOW"},
		{linux.AT_REMOVEDIR, "AT_REMOVEDIR"},
		{linux.AT_SYMLINK_FOLLOW, "AT_SYMLINK_FOLLOW"},
		{linux.AT_NO_AUTOMOUNT, "AT_NO_AUTOMOUNT"},
		{linux.AT_EMPTY_PATH, "AT_EMPTY_PATH"},
		{linux.AT_STATX_FORCE_SYNC, "AT_STATX_FORCE_SYNC"},
		{linux.AT_STATX_DONT_SYNC, "AT_STATX_DONT_SYNC"},
	}
	namesClock = []name{
		{linux.CLOCK_REALTIME, "CLOCK_REALTIME"},
		{linux.CLOCK_MONOTONIC, "CLOCK_MONOTONIC"},
		{linux.CLOCK_PROCESS_CPUTIME_ID, "CLOCK_PROCESS_CPUTIME_ID"},
		{linux.CLOCK_THREAD_CPUTIME_ID, "CLOCK_THREAD_CPUTIME_ID"},
		{linux.CLOCK_MONOTONIC_RAW, "CLOCK_MONOTONIC_RAW"},
		{linux.CLOCK_REALTIME_COARSE, "CLOCK_REALTIME_COARSE"},
		{linux.CLOCK_MONOTONIC_COARSE, "CLOCK_MONOTONIC_COARSE"},
		{linux.CLOCK_BOOTTIME, "CLOCK_BOOTTIME"},
		{linux.CLOCK_REALTIME_ALARM, "CLOCK_REALTIME_ALARM"},
		{linux.CLOCK_BOOTTIME_ALARM, "CLOCK_BOOTTIME_ALARM"},
		{linux.CLOCK_TAI, "CLOCK_TAI"},
	}
	namesClone = []name{
		{linux.CLONE_VM, "CLONE_VM"},
		{linux.CLONE_FS, "CLONE_FS"},
		{linux.CLONE_FILES, "CLONE_FILES"},
		{linux.CLONE_SIGHAND, "CLONE_SIGHAND"},
		{linux.CLONE_PIDFD, "CLONE_PIDFD"},
		{linux.CLONE_PTRACE, "CLONE_PTRACE"},
		{linux.CLONE_VFORK, "CLONE_VFORK"},
		{linux.CLONE_PARENT, "CLONE_PARENT"},
		{linux.CLONE_THREAD, "CLONE_THREAD"},
		{linux.CLONE_NEWNS, "CLONE_NEWNS"},
		{linux.CLONE_SYSVSEM, "CLONE_SYSVSEM"},
		{linux.CLONE_SETTLS, "CLONE_SETTLS"},
		{linux.CLONE_PARENT_SETTID, "CLONE_PARENT_SETTID"},
		{linux.CLONE_CHILD_CLEARTID, "CLONE_CHILD_CLEARTID"},
		{linux.CLONE_DETACHED, "CLONE_DETACHED"},
		{linux.CLONE_UNTRACED, "CLONE_UNTRACED"},
		{linux.CLONE_CHILD_SETTID, "CLONE_CHILD_SETTID"},
		{linux.CLONE_NEWCGROUP, "CLONE_NEWCGROUP"},
		{linux.CLONE_NEWUTS, "CLONE_NEWUTS"},
		{linux.CLONE_NEWIPC, "CLONE_NEWIPC"},
		{linux.CLONE_NEWUSER, "CLONE_NEWUSER"},
		{linux.CLONE_NEWPID, "CLONE_NEWPID"},
		{linux.CLONE_NEWNET, "CLONE_NEWNET"},
		{linux.CLONE_IO, "CLONE_IO"},
	}
	namesCloserange = []name{
		{linux.CLOSE_RANGE_UNSHARE, "CLOSE_RANGE_UNSHARE"},
		{linux.CLOSE_RANGE_CLOEXEC, "CLOSE_RANGE_CLOEXEC"},
	}
	namesEfd = []name{
		{linux.EFD_SEMAPHORE, "EFD_SEMAPHORE"},
		{linux.EFD_CLOEXEC, "EFD_CLOEXEC"},
		{linux.EFD_NONBLOCK, "EFD_NONBLOCK"},
	}
	namesEpoll = []name{
		{linux.EPOLLIN, "EPOLLIN"},
		{linux.EPOLLPRI, "EPOLLPRI"},
		{linux.EPOLLOUT, "EPOLLOUT"},
		{linux.EPOLLERR, "EPOLLERR"},
		{linux.EPOLLHUP, "EPOLLHUP"},
		{linux.EPOLLRDNORM, "EPOLLRDNORM"},
		{linux.EPOLLRDBAND, "EPOLLRDBAND"},
		{linux.EPOLLWRNORM, "EPOLLWRNORM"},
		{linux.EPOLLWRBAND, "EPOLLWRBAND"},
		{linux.EPOLLMSG, "EPOLLMSG"},
		{linux.EPOLLRDHUP, "EPOLLRDHUP"},
		{linux.EPOLLEXCLUSIVE, "EPOLLEXCLUSIVE"},
		{linux.EPOLLWAKEUP, "EPOLLWAKEUP"},
		{linux.EPOLLONESHOT, "EPOLLONESHOT"},
		{linux.EPOLLET, "EPOLLET"},
	}
	namesEpollctl = []name{
		{linux.EPOLL_CTL_ADD, "EPOLL_CTL_ADD"},
		{linux.EPOLL_CTL_DEL, "EPOLL_CTL_DEL"},
		{linux.EPOLL_CTL_MOD, "EPOLL_CTL_MOD"},
	}
	namesEpollflags = []name{
		{linux.EPOLL_CLOEXEC, "EPOLL_CLOEXEC"},
	}
	namesFadvise = []name{
		{0, "POSIX_FADV_NORMAL"},
		{1, "POSIX_FADV_RANDOM"},
		{2, "POSIX_FADV_SEQUENTIAL"},
		{3, "POSIX_FADV_WILLNEED"},
		{4, "POSIX_FADV_DONTNEED"},
		{5, "POSIX_FADV_NOREUSE"},
	}
	namesFallocate = []name{
		{linux.FALLOC_FL_KEEP_SIZE, "FALLOC_FL_KEEP_SIZE"},
		{linux.FALLOC_FL_PUNCH_HOLE, "FALLOC_FL_PUNCH_HOLE"},
		{linux.FALLOC_FL_COLLAPSE_RANGE, "FALLOC_FL_COLLAPSE_RANGE"},
		{linux.FALLOC_FL_ZERO_RANGE, "FALLOC_FL_ZERO_RANGE"},
		{linux.FALLOC_FL_INSERT_RANGE, "FALLOC_FL_INSERT_RANGE"},
		{linux.FALLOC_FL_UNSHARE_RANGE, "FALLOC_FL_UNSHARE_RANGE"},
	}
	namesFcntl = []name{
		{linux.F_DUPFD, "F_DUPFD"},
		{linux.F_GETFD, "F_GETFD"},
		{linux.F_SETFD, "F_SETFD"},
		{linux.F_GETFL, "F_GETFL"},
		{linux.F_SETFL, "F_SETFL"},
		{linux.F_GETLK, "F_GETLK"},
		{linux.F_SETLK, "F_SETLK"},
		{linux.F_SETLKW, "F_SETLKW"},
		{linux.F_SETOWN, "F_SETOWN"},
		{linux.F_GETOWN, "F_GETOWN"},
		{linux.F_SETSIG, "F_SETSIG"},
		{linux.F_GETSIG, "F_GETSIG"},
		{linux.F_SETOWN_EX, "F_SETOWN_EX"},
		{linux.F_GETOWN_EX, "F_GETOWN_EX"},
		{linux.F_OFD_GETLK, "F_OFD_GETLK"},
		{linux.F_OFD_SETLK, "F_OFD_SETLK"},
		{linux.F_OFD_SETLKW, "F_OFD_SETLKW"},
		{linux.F_SETLEASE, "F_SETLEASE"},
		{linux.F_GETLEASE, "F_GETLEASE"},
		{linux.F_NOTIFY, "F_NOTIFY"},
		{linux.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"},
		{linux.F_SETPIPE_SZ, "F_SETPIPE_SZ"},
		{linux.F_GETPIPE_SZ, "F_GETPIPE_SZ"},
		{linux.F_ADD_SEALS, "F_ADD_SEALS"},
		{linux.F_GET_SEALS, "F_GET_SEALS"},
		{linux.F_GET_RW_HINT, "F_GET_RW_HINT"},
		{linux.F_SET_RW_HINT, "F_SET_RW_HINT"},
	}
	namesFlock = []name{
		{linux.LOCK_SH, "LOCK_SH"},
		{linux.LOCK_EX, "LOCK_EX"},
		{linux.LOCK_NB, "LOCK_NB"},
		{linux.LOCK_UN, "LOCK_UN"},
	}
	namesFutex = []name{
		{0, "FUTEX_WAIT"},
		{1, "FUTEX_WAKE"},
		{2, "FUTEX_FD"},
		{3, "FUTEX_REQUEUE"},
		{4, "FUTEX_CMP_REQUEUE"},
		{5, "FUTEX_WAKE_OP"},
		{6, "FUTEX_LOCK_PI"},
		{7, "FUTEX_UNLOCK_PI"},
		{8, "FUTEX_TRYLOCK_PI"},
		{9, "FUTEX_WAIT_BITSET"},
		{10, "FUTEX_WAKE_BITSET"},
		{11, "FUTEX_WAIT_REQUEUE_PI"},
		{12, "FUTEX_CMP_REQUEUE_PI"},
		{128, "FUTEX_WAIT_PRIVATE"},
		{129, "FUTEX_WAKE_PRIVATE"},
		{131, "FUTEX_REQUEUE_PRIVATE"},
		{132, "FUTEX_CMP_REQUEUE_PRIVATE"},
		{133, "FUTEX_WAKE_OP_PRIVATE"},
		{134, "FUTEX_LOCK_PI_PRIVATE"},
		{135, "FUTEX_UNLOCK_PI_PRIVATE"},
		{137, "FUTEX_WAIT_BITSET_PRIVATE"},
		{138, "FUTEX_WAKE_BITSET_PRIVATE"},
		{393, "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME"},
	}
	namesGrnd = []name{
		{linux.GRND_NONBLOCK, "GRND_NONBLOCK"},
		{linux.GRND_RANDOM, "GRND_RANDOM"},
		{linux.GRND_INSECURE, "GRND_INSECURE"},
	}
	namesInotify = []name{
		{linux.IN_ACCESS, "IN_ACCESS"},
		{linux.IN_MODIFY, "IN_MODIFY"},
		{linux.IN_ATTRIB, "IN_ATTRIB"},
		{linux.IN_CLOSE_WRITE, "IN_CLOSE_WRITE"},
		{linux.IN_CLOSE_NOWRITE, "IN_CLOSE_NOWRITE"},
		{linux.IN_OPEN, "IN_OPEN"},
		{linux.IN_MOVED_FROM, "IN_MOVED_FROM"},
		{linux.IN_MOVED_TO, "IN_MOVED_TO"},
		{linux.IN_CREATE, "IN_CREATE"},
		{linux.IN_DELETE, "IN_DELETE"},
		{linux.IN_DELETE_SELF, "IN_DELETE_SELF"},
		{linux.IN_MOVE_SELF, "IN_MOVE_SELF"},
		{linux.IN_ONLYDIR, "IN_ONLYDIR"},
		{linux.IN_DONT_FOLLOW, "IN_DONT_FOLLOW"},
		{linux.IN_EXCL_UNLINK, "IN_EXCL_UNLINK"},
		{linux.IN_MASK_CREATE, "IN_MASK_CREATE"},
		{linux.IN_MASK_ADD, "IN_MASK_ADD"},
		{linux.IN_ISDIR, "IN_ISDIR"},
		{linux.IN_ONESHOT, "IN_ONESHOT"},
	}
	namesIoctl = []name{
		{linux.TCGETS, "TCGETS"},
		{linux.TCSETS, "TCSETS"},
		{linux.TCSETSW, "TCSETSW"},
		{linux.TCSETSF, "TCSETSF"},
		{linux.TCGETS2, "TCGETS2"},
		{linux.TCSETS2, "TCSETS2"},
		{linux.TCSBRK, "TCSBRK"},
		{linux.TCXONC, "TCXONC"},
		{linux.TCFLSH, "TCFLSH"},
		{linux.TIOCGPGRP, "TIOCGPGRP"},
		{linux.TIOCSPGRP, "TIOCSPGRP"},
		{linux.TIOCGSID, "TIOCGSID"},
		{linux.TIOCGWINSZ, "TIOCGWINSZ"},
		{linux.TIOCSWINSZ, "TIOCSWINSZ"},
		{linux.TIOCSCTTY, "TIOCSCTTY"},
		{linux.TIOCNOTTY, "TIOCNOTTY"},
		{linux.TIOCGPTN, "TIOCGPTN"},
		{linux.TIOCSPTLCK, "TIOCSPTLCK"},
		{linux.TIOCGPTPEER, "TIOCGPTPEER"},
		{linux.TIOCSTI, "TIOCSTI"},
		{linux.TIOCOUTQ, "TIOCOUTQ"},
		{linux.TIOCPKT, "TIOCPKT"},
		{linux.TIOCEXCL, "TIOCEXCL"},
		{linux.TIOCNXCL, "TIOCNXCL"},
		{0x541b, "FIONREAD"},
		{0x5421, "FIONBIO"},
		{0x5451, "FIOCLEX"},
		{0x5450, "FIONCLEX"},
		{0x5452, "FIOASYNC"},
		{linux.FS_IOC_GETFLAGS, "FS_IOC_GETFLAGS"},
		{linux.FS_IOC_SETFLAGS, "FS_IOC_SETFLAGS"},
		{linux.SIOCGIFCONF, "SIOCGIFCONF"},
		{linux.SIOCGIFFLAGS, "SIOCGIFFLAGS"},
		{linux.SIOCGIFADDR, "SIOCGIFADDR"},
		{linux.SIOCGIFINDEX, "SIOCGIFINDEX"},
		{linux.SIOCGIFNAME, "SIOCGIFNAME"},
		{linux.SIOCGIFHWADDR, "SIOCGIFHWADDR"},
		{linux.SIOCGIFMTU, "SIOCGIFMTU"},
		{linux.SIOCATMARK, "SIOCATMARK"},
	}
	namesIpc = []name{
		{2048, "IPC_NOWAIT"},
		{4096, "MSG_NOERROR"},
		{8192, "MSG_EXCEPT"},
		{16384, "MSG_COPY"},
	}
	namesIpcctl = []name{
		{0, "IPC_RMID"},
		{1, "IPC_SET"},
		{2, "IPC_STAT"},
		{3, "IPC_INFO"},
		{11, "GETPID"},
		{12, "GETVAL"},
		{13, "GETALL"},
		{14, "GETNCNT"},
		{15, "GETZCNT"},
		{16, "SETVAL"},
		{17, "SETALL"},
	}
	namesItimer = []name{
		{linux.ITIMER_REAL, "ITIMER_REAL"},
		{linux.ITIMER_VIRTUAL, "ITIMER_VIRTUAL"},
		{linux.ITIMER_PROF, "ITIMER_PROF"},
	}
	namesMadvise = []name{
		{linux.MADV_NORMAL, "MADV_NORMAL"},
		{linux.MADV_RANDOM, "MADV_RANDOM"},
		{linux.MADV_SEQUENTIAL, "MADV_SEQUENTIAL"},
		{linux.MADV_WILLNEED, "MADV_WILLNEED"},
		{linux.MADV_DONTNEED, "MADV_DONTNEED"},
		{linux.MADV_FREE, "MADV_FREE"},
		{linux.MADV_REMOVE, "MADV_REMOVE"},
		{linux.MADV_DONTFORK, "MADV_DONTFORK"},
		{linux.MADV_DOFORK, "MADV_DOFORK"},
		{linux.MADV_MERGEABLE, "MADV_MERGEABLE"},
		{linux.MADV_UNMERGEABLE, "MADV_UNMERGEABLE"},
		{linux.MADV_HUGEPAGE, "MADV_HUGEPAGE"},
		{linux.MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE"},
		{linux.MADV_DONTDUMP, "MADV_DONTDUMP"},
		{linux.MADV_DODUMP, "MADV_DODUMP"},
		{linux.MADV_WIPEONFORK, "MADV_WIPEONFORK"},
		{linux.MADV_KEEPONFORK, "MADV_KEEPONFORK"},
		{linux.MADV_COLD, "MADV_COLD"},
		{linux.MADV_PAGEOUT, "MADV_PAGEOUT"},
		{linux.MADV_POPULATE_READ, "MADV_POPULATE_READ"},
		{linux.MADV_POPULATE_WRITE, "MADV_POPULATE_WRITE"},
		{linux.MADV_DONTNEED_LOCKED, "MADV_DONTNEED_LOCKED"},
		{linux.MADV_COLLAPSE, "MADV_COLLAPSE"},
	}
	namesMembarrier = []name{
		{0, "MEMBARRIER_CMD_QUERY"},
		{1, "MEMBARRIER_CMD_GLOBAL"},
		{2, "MEMBARRIER_CMD_GLOBAL_EXPEDITED"},
		{4, "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED"},
		{8, "MEMBARRIER_CMD_PRIVATE_EXPEDITED"},
		{16, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED"},
	}
	namesMemfd = []name{
		{linux.MFD_CLOEXEC, "MFD_CLOEXEC"},
		{linux.MFD_ALLOW_SEALING, "MFD_ALLOW_SEALING"},
		{linux.MFD_HUGETLB, "MFD_HUGETLB"},
		{linux.MFD_NOEXEC_SEAL, "MFD_NOEXEC_SEAL"},
		{linux.MFD_EXEC, "MFD_EXEC"},
	}
	namesMmap = []name{
		{linux.MAP_SHARED, "MAP_SHARED"},
		{linux.MAP_PRIVATE, "MAP_PRIVATE"},
		{linux.MAP_FIXED, "MAP_FIXED"},
		{linux.MAP_ANONYMOUS, "MAP_ANONYMOUS"},
		{linux.MAP_GROWSDOWN, "MAP_GROWSDOWN"},
		{linux.MAP_DENYWRITE, "MAP_DENYWRITE"},
		{linux.MAP_EXECUTABLE, "MAP_EXECUTABLE"},
		{linux.MAP_LOCKED, "MAP_LOCKED"},
		{linux.MAP_NORESERVE, "MAP_NORESERVE"},
		{linux.MAP_POPULATE, "MAP_POPULATE"},
		{linux.MAP_NONBLOCK, "MAP_NONBLOCK"},
		{linux.MAP_STACK, "MAP_STACK"},
		{linux.MAP_HUGETLB, "MAP_HUGETLB"},
		{linux.MAP_SYNC, "MAP_SYNC"},
		{linux.MAP_FIXED_NOREPLACE, "MAP_FIXED_NOREPLACE"},
		{linux.MAP_32BIT, "MAP_32BIT"},
	}
	namesMount = []name{
		{linux.MS_RDONLY, "MS_RDONLY"},
		{linux.MS_NOSUID, "MS_NOSUID"},
		{linux.MS_NODEV, "MS_NODEV"},
		{linux.MS_NOEXEC, "MS_NOEXEC"},
		{linux.MS_REMOUNT, "MS_REMOUNT"},
		{linux.MS_BIND, "MS_BIND"},
		{linux.MS_MOVE, "MS_MOVE"},
		{linux.MS_REC, "MS_REC"},
		{linux.MS_SILENT, "MS_SILENT"},
		{linux.MS_PRIVATE, "MS_PRIVATE"},
		{linux.MS_SLAVE, "MS_SLAVE"},
		{linux.MS_SHARED, "MS_SHARED"},
		{linux.MS_RELATIME, "MS_RELATIME"},
	}
	namesMremap = []name{
		{linux.MREMAP_MAYMOVE, "MREMAP_MAYMOVE"},
		{linux.MREMAP_FIXED, "MREMAP_FIXED"},
		{linux.MREMAP_DONTUNMAP, "MREMAP_DONTUNMAP"},
	}
	namesMsg = []name{
		{linux.MSG_OOB, "MSG_OOB"},
		{linux.MSG_PEEK, "MSG_PEEK"},
		{linux.MSG_DONTROUTE, "MSG_DONTROUTE"},
		{linux.MSG_CTRUNC, "MSG_CTRUNC"},
		{linux.MSG_TRUNC, "MSG_TRUNC"},
		{linux.MSG_DONTWAIT, "MSG_DONTWAIT"},
		{linux.MSG_EOR, "MSG_EOR"},
		{linux.MSG_WAITALL, "MSG_WAITALL"},
		{linux.MSG_CONFIRM, "MSG_CONFIRM"},
		{linux.MSG_ERRQUEUE, "MSG_ERRQUEUE"},
		{linux.MSG_NOSIGNAL, "MSG_NOSIGNAL"},
		{linux.MSG_MORE, "MSG_MORE"},
		{linux.MSG_WAITFORONE, "MSG_WAITFORONE"},
		{linux.MSG_FASTOPEN, "MSG_FASTOPEN"},
		{linux.MSG_CMSG_CLOEXEC, "MSG_CMSG_CLOEXEC"},
	}
	namesMsync = []name{
		{linux.MS_ASYNC, "MS_ASYNC"},
		{linux.MS_INVALIDATE, "MS_INVALIDATE"},
		{linux.MS_SYNC, "MS_SYNC"},
	}
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
