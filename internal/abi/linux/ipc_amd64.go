package linux

// SemidDS is struct semid64_ds.
type SemidDS struct {
	Perm  IPCPerm
	Otime int64
	_     uint64
	Ctime int64
	_     uint64
	Nsems uint64
	_, _  uint64
}
