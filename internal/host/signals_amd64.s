#include "textflag.h"

// signalEntry is called by the host, with the number in DI, and returns to
// signalReturn.
TEXT ·signalEntry(SB),NOSPLIT|NOFRAME,$0
	PUSHQ DI
	MOVL  ·signalPipe(SB), DI
	MOVQ  SP, SI
	MOVL  $1, DX
	MOVL  $1, AX // write
	SYSCALL
	POPQ  DI
	RET

TEXT ·signalReturn(SB),NOSPLIT|NOFRAME,$0
	MOVL $15, AX // rt_sigreturn
	SYSCALL
	INT  $3

// func signalCode() (entry, restorer uintptr)
TEXT ·signalCode(SB),NOSPLIT,$0-16
	LEAQ ·signalEntry(SB), AX
	MOVQ AX, entry+0(FP)
	LEAQ ·signalReturn(SB), AX
	MOVQ AX, restorer+8(FP)
	RET
