package trap

import "sentinel/internal/arch"

// The order of registers in struct sigcontext (arch/x86/include/uapi/asm/sigcontext.h).
func loadRegs(r *arch.Regs, w *[23]uint64) {
	r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]
	r.RDI, r.RSI, r.RBP, r.RBX, r.RDX, r.RAX, r.RCX, r.RSP = w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15]
	r.RIP, r.RFLAGS = w[16], w[17]
	r.CS, r.SS = 0x33, 0x2b
	r.OrigRAX = ^uint64(0)
}

func storeRegs(r *arch.Regs, w *[23]uint64) {
	w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7] = r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15
	w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15] = r.RDI, r.RSI, r.RBP, r.RBX, r.RDX, r.RAX, r.RCX, r.RSP
	w[16], w[17] = r.RIP, r.RFLAGS
	w[18] = 0x33 | 0x2b<<48 // cs, gs, fs, ss
}
