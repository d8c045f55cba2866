package linux

// SemidDS is struct semid64_ds.
type SemidDS struct {
	Perm         IPCPerm
	Otime, Ctime int64
	Nsems        uint64
	_, _         uint64
}
