#include "textflag.h"

// func spinUntil(p *uint32, want uint32, ticks uint64, cpu, peer *uint32) bool
TEXT ·spinUntil(SB),NOSPLIT,$0-41
	MOVQ p+0(FP), DI
	MOVL want+8(FP), SI
	MOVQ ticks+16(FP), R8
	MOVQ cpu+24(FP), R9
	MOVQ peer+32(FP), R10
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	ADDQ AX, R8
again:
	MOVL $32, CX
inner:
	MOVL (DI), AX
	CMPL AX, SI
	JEQ  yes
	PAUSE
	DECL CX
	JNZ  inner
	MOVL $0x7b, CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x03; BYTE $0xc1 // lsl ecx, eax
	ANDL $0xfff, AX
	MOVL AX, (R9)
	CMPL AX, (R10)
	JEQ  no
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	CMPQ AX, R8
	JCS  again
no:
	MOVB $0, ret+40(FP)
	RET
yes:
	MOVB $1, ret+40(FP)
	RET

// func currentCPU() uint32
TEXT ·currentCPU(SB),NOSPLIT,$0-4
	MOVL $0x7b, CX
	XORL AX, AX
	BYTE $0x0f; BYTE $0x03; BYTE $0xc1 // lsl ecx, eax
	ANDL $0xfff, AX
	MOVL AX, ret+0(FP)
	RET

// func ticksNow() uint64
TEXT ·ticksNow(SB),NOSPLIT,$0-8
	RDTSC
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, ret+0(FP)
	RET
