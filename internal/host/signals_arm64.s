#include "textflag.h"

// signalEntry is called by the host, with the number in R0, and returns to the
// host's own code.
TEXT ·signalEntry(SB),NOSPLIT|NOFRAME,$0
	SUB  $16, RSP
	MOVD R0, 8(RSP)
	MOVW ·signalPipe(SB), R0
	ADD  $8, RSP, R1
	MOVD $1, R2
	MOVD $64, R8 // write
	SVC
	ADD  $16, RSP
	RET

// func signalCode() (entry, restorer uintptr)
TEXT ·signalCode(SB),NOSPLIT,$0-16
	MOVD $·signalEntry(SB), R0
	MOVD R0, entry+0(FP)
	MOVD ZR, restorer+8(FP)
	RET
