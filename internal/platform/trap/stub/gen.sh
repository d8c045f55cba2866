#!/bin/sh
# Builds the stub into zz_generated_stub_amd64.elf. Needs gcc and binutils.
set -eu
cd "$(dirname "$0")"
out=${1:-zz_generated_stub_amd64.elf}
gcc -O2 -Wall -Wextra -Wno-unused-parameter -ffreestanding -mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	-fno-asynchronous-unwind-tables -fno-toplevel-reorder -fno-pic -mcmodel=large -fno-jump-tables -nostdlib -static -no-pie \
	-Wl,-z,noseparate-code -Wl,-z,max-page-size=4096 -Wl,--build-id=none -Wl,-T,stub.ld -s \
	-o "$out" stub.c
