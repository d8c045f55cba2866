package arch

// Regs are the general registers of a thread, laid out as struct
// user_regs_struct of ptrace(2).
type Regs struct {
	R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI uint64
	OrigRAX                                                                 uint64
	RIP, CS, RFLAGS, RSP, SS, FSBase, GSBase, DS, ES, FS, GS                uint64
}

// PC returns the instruction pointer.
func (r *Regs) PC() uint64 { return r.RIP }

// SP returns the stack pointer.
func (r *Regs) SP() uint64 { return r.RSP }

// SetSP sets the stack pointer.
func (r *Regs) SetSP(v uint64) { r.RSP = v }

// SetTLS sets the thread pointer.
func (r *Regs) SetTLS(v uint64) { r.FSBase = v }

// SetReturn sets the result of a system call.
func (r *Regs) SetReturn(v uint64) { r.RAX = v }

// Return returns the result register.
func (r *Regs) Return() uint64 { return r.RAX }

// Restart rewinds a thread that stands after a system-call instruction so that
// it makes the call nr again with the same arguments.
func (r *Regs) Restart(nr uint64) {
	r.RIP -= 2
	r.RAX = nr
}

// User code and stack segment selectors of 64-bit processes
// (arch/x86/include/asm/segment.h).
const (
	userCS = 0x33
	userSS = 0x2b
)

// Start sets the registers of a freshly executed program.
func (r *Regs) Start(entry, sp uint64) {
	*r = Regs{RIP: entry, RSP: sp, CS: userCS, SS: userSS, RFLAGS: 0x202, OrigRAX: ^uint64(0)}
}
