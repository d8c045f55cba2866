package proc

import (
	"strconv"

	"sentinel/internal/abi/linux"
	"sentinel/internal/fs/kernfs"
	"sentinel/internal/ipc"
	"sentinel/internal/vfs"
)

// fillSysV is /proc/sysvipc, as sysvipc_*_proc_show of ipc/*.c print it.
func (p *FS) fillSysV(d *kernfs.Dir) {
	table := func(name, head string, rows func(b *text, n *ipc.Namespace)) {
		d.AddFile(name, 0o444, func(*vfs.Context) ([]byte, error) {
			b := text(head)
			if p.o.IPC != nil {
				rows(&b, p.o.IPC())
			}
			return b, nil
		})
	}
	table("msg", "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n", msgRows)
	table("sem", "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n", semRows)
	table("shm", "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n", shmRows)
}

// num writes a number right-aligned.
func (b *text) num(v int64, width int) *text { return b.pad(strconv.FormatInt(v, 10), width) }

// perm writes what all kinds begin with.
func (b *text) perm(p *linux.IPCPerm, id int32) {
	b.num(int64(p.Key), 10).s(" ").num(int64(id), 10).s("  ").pad(strconv.FormatUint(uint64(p.Mode), 8), 4).s(" ")
}

func (b *text) owners(p *linux.IPCPerm) {
	for _, v := range [...]uint32{p.UID, p.GID, p.CUID, p.CGID} {
		b.s(" ").num(int64(v), 5)
	}
}

func (b *text) times(ts ...int64) {
	for _, t := range ts {
		b.s(" ").num(t, 10)
	}
}

func msgRows(b *text, n *ipc.Namespace) {
	_, last := n.Msg.Info(true)
	for i := range int32(last) + 1 {
		ds, id, err := n.Msg.Stat(ipc.Who{}, i, true, true)
		if err != nil {
			continue
		}
		b.perm(&ds.Perm, id)
		b.s(" ").num(int64(ds.Cbytes), 10).s(" ").num(int64(ds.Qnum), 10).s(" ").num(int64(ds.LSPID), 5).s(" ").num(int64(ds.LRPID), 5)
		b.owners(&ds.Perm)
		b.times(ds.Stime, ds.Rtime, ds.Ctime)
		b.s("\n")
	}
}

func semRows(b *text, n *ipc.Namespace) {
	_, last := n.Sem.Info(true)
	for i := range int32(last) + 1 {
		ds, id, err := n.Sem.Stat(ipc.Who{}, i, true, true)
		if err != nil {
			continue
		}
		b.perm(&ds.Perm, id)
		b.num(int64(ds.Nsems), 10)
		b.owners(&ds.Perm)
		b.times(ds.Otime, ds.Ctime)
		b.s("\n")
	}
}

func shmRows(b *text, n *ipc.Namespace) {
	_, last := n.Shm.Limits()
	for i := range int32(last) + 1 {
		ds, id, err := n.Shm.Stat(ipc.Who{}, i, true, true)
		if err != nil {
			continue
		}
		b.perm(&ds.Perm, id)
		b.pad(utoa(ds.Segsz), 21).s(" ").num(int64(ds.CPID), 5).s(" ").num(int64(ds.LPID), 5).s("  ").num(int64(ds.Nattch), 5)
		b.owners(&ds.Perm)
		b.times(ds.Atime, ds.Dtime, ds.Ctime)
		b.s(" ").num(0, 21).s(" ").num(0, 21).s("\n")
	}
}
