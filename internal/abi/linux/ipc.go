package linux

// Constants of System V IPC, from include/uapi/linux/{ipc,sem,shm,msg}.h.
const (
	IPC_PRIVATE = 0

	IPC_CREAT  = 0o1000
	IPC_EXCL   = 0o2000
	IPC_NOWAIT = 0o4000

	IPC_RMID = 0
	IPC_SET  = 1
	IPC_STAT = 2
	IPC_INFO = 3

	SEM_UNDO     = 0x1000
	GETPID       = 11
	GETVAL       = 12
	GETALL       = 13
	GETNCNT      = 14
	GETZCNT      = 15
	SETVAL       = 16
	SETALL       = 17
	SEM_STAT     = 18
	SEM_INFO     = 19
	SEM_STAT_ANY = 20

	SHM_HUGETLB   = 0o4000
	SHM_NORESERVE = 0o10000
	SHM_RDONLY    = 0o10000
	SHM_RND       = 0o20000
	SHM_REMAP     = 0o40000
	SHM_EXEC      = 0o100000
	SHM_DEST      = 0o1000
	SHM_LOCKED    = 0o2000
	SHM_LOCK      = 11
	SHM_UNLOCK    = 12
	SHM_STAT      = 13
	SHM_INFO      = 14
	SHM_STAT_ANY  = 15
	SHMLBA        = 4096

	MSG_NOERROR  = 0o10000
	MSG_EXCEPT   = 0o20000
	MSG_COPY     = 0o40000
	MSG_STAT     = 11
	MSG_INFO     = 12
	MSG_STAT_ANY = 13
)

// IPCPerm is struct ipc64_perm.
type IPCPerm struct {
	Key                  int32
	UID, GID, CUID, CGID uint32
	Mode                 uint32
	Seq                  uint16
	_                    uint16
	_                    uint32
	_, _                 uint64
}

// ShmidDS is struct shmid64_ds.
type ShmidDS struct {
	Perm                IPCPerm
	Segsz               uint64
	Atime, Dtime, Ctime int64
	CPID, LPID          int32
	Nattch              uint64
	_, _                uint64
}

// ShmInfoLimits is struct shminfo64.
type ShmInfoLimits struct {
	Shmmax, Shmmin, Shmmni, Shmseg, Shmall uint64
	_                                      [4]uint64
}

// ShmInfo is struct shm_info.
type ShmInfo struct {
	UsedIDs                     int32
	_                           int32
	Tot, RSS, Swp               uint64
	SwapAttempts, SwapSuccesses uint64
}

// Sembuf is struct sembuf.
type Sembuf struct {
	Num uint16
	Op  int16
	Flg int16
}

// SemInfo is struct seminfo.
type SemInfo struct {
	Semmap, Semmni, Semmns, Semmnu, Semmsl, Semopm, Semume, Semusz, Semvmx, Semaem int32
}

// MsqidDS is struct msqid64_ds.
type MsqidDS struct {
	Perm                 IPCPerm
	Stime, Rtime, Ctime  int64
	Cbytes, Qnum, Qbytes uint64
	LSPID, LRPID         int32
	_, _                 uint64
}

// MsgInfo is struct msginfo.
type MsgInfo struct {
	Msgpool, Msgmap, Msgmax, Msgmnb, Msgmni, Msgssz, Msgtql int32
	Msgseg                                                  uint16
	_                                                       uint16
}

// MqAttr is struct mq_attr.
type MqAttr struct {
	Flags, Maxmsg, Msgsize, Curmsgs int64
	_                               [4]int64
}

// Sigevent is struct sigevent.
type Sigevent struct {
	Value  uint64
	Signo  int32
	Notify int32
	TID    int32
	_      [44]byte
}

// Values of Sigevent.Notify.
const (
	SIGEV_SIGNAL    = 0
	SIGEV_NONE      = 1
	SIGEV_THREAD    = 2
	SIGEV_THREAD_ID = 4
)

// MQ_PRIO_MAX is one more than the highest priority of a message.
const MQ_PRIO_MAX = 32768
