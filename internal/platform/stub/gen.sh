#!/bin/sh
# Builds the stub into zz_generated_stub_amd64.elf. Needs gcc and binutils.
set -eu
cd "$(dirname "$0")"
out=${1:-zz_generated_stub_amd64.elf}
gcc -nostdlib -static -no-pie -ffreestanding \
	-DSYS_rt_sigprocmask=14 -DSYS_prctl=157 -DSYS_capset=126 -DSYS_seccomp=317 -DSYS_pause=34 \
	-DSYS_recvmsg=47 -DSYS_mmap=9 -DSYS_close=3 -DSYS_futex=202 -DSYS_munmap=11 -DSYS_mprotect=10 \
	-DSYS_madvise=28 -DSYS_mremap=25 -DSYS_clone=56 -DSYS_exit=60 -DSYS_msync=26 -DSYS_mincore=27 \
	-DSYS_set_tid_address=218 -DSYS_getrusage=98 -DSYS_clock_gettime=228 -DSYS_membarrier=324 \
	-DSYS_getppid=110 -DSYS_rseq=334 -DSYS_futex_waitv=449 -DSYS_getcpu=309 -DSYS_remap_file_pages=216 -DSYS_restart_syscall=219 \
	-Wl,-z,noseparate-code -Wl,-z,max-page-size=4096 -Wl,--build-id=none -Wl,-T,stub.ld -s \
	-o "$out" stub_amd64.S
