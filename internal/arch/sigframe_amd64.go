package arch

import (
	"encoding/binary"

	"sentinel/internal/signal"
	"sentinel/internal/usermem"
)

// AltStack is a stack_t.
type AltStack struct {
	Addr  uint64
	Flags uint32
	Size  uint64
}

// SignalContext is what a signal frame saves, the registers aside.
type SignalContext struct {
	Info     *signal.Info
	Mask     signal.Set // to restore
	Stack    AltStack   // as uc_stack tells it
	Handler  uint64
	Restorer uint64 // SA_RESTORER
	SigInfo  bool   // SA_SIGINFO; on amd64 the frame is the same without
	TrapNo   uint64
	ErrCode  uint64
	Addr     uint64 // CR2
	FPState  []byte // XSAVE area as PTRACE_GETREGSET gives it
}

// Layout of struct rt_sigframe (arch/x86/include/asm/sigframe.h).
const (
	frUC       = 8
	frStack    = frUC + 16
	frMC       = frUC + 40
	frMask     = frUC + 296
	frInfo     = frUC + 304
	frSize     = frInfo + signal.Size
	redZone    = 128
	swReserved = 464 // in the FXSAVE area
	magic1     = 0x46505853
	magic2     = 0x46505845
	ucFlags    = 7 // UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
	fixedFlags = 0x2
	// userFlags are the flags that a frame may change (FIX_EFLAGS).
	userFlags = 0x40000 | 0x800 | 0x400 | 0x100 | 0x80 | 0x40 | 0x10 | 0x4 | 0x1 | 0x10000
)

// PushSignal writes a signal frame below sp, or below the red zone of the
// present stack if sp is 0, and makes r enter the handler
// (x64_setup_rt_frame).
func (r *Regs) PushSignal(m usermem.Memory, sp uint64, c *SignalContext) error {
	if sp == 0 {
		sp = r.RSP - redZone
	}
	fpLen := uint64(len(c.FPState))
	fp := uint64(0)
	if fpLen > 0 {
		fp = (sp - (fpLen + 4)) &^ 63
		sp = fp
	}
	sp = (sp-frSize)&^15 - 8
	var b []byte
	if fpLen > 0 {
		b = make([]byte, fp+fpLen+4-sp)
	} else {
		b = make([]byte, frSize)
	}
	le := binary.LittleEndian
	put := func(off int, v uint64) { le.PutUint64(b[off:], v) }
	put(0, c.Restorer)
	put(frUC, ucFlags)
	put(frStack, c.Stack.Addr)
	le.PutUint32(b[frStack+8:], c.Stack.Flags)
	put(frStack+16, c.Stack.Size)
	for i, v := range []uint64{r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15, r.RDI, r.RSI, r.RBP, r.RBX, r.RDX, r.RAX, r.RCX, r.RSP, r.RIP, r.RFLAGS} {
		put(frMC+8*i, v)
	}
	le.PutUint16(b[frMC+144:], uint16(r.CS))
	le.PutUint16(b[frMC+150:], uint16(r.SS))
	put(frMC+152, c.ErrCode)
	put(frMC+160, c.TrapNo)
	put(frMC+168, uint64(c.Mask))
	put(frMC+176, c.Addr)
	put(frMC+184, fp)
	put(frMask, uint64(c.Mask))
	info := c.Info.Marshal()
	copy(b[frInfo:], info[:])
	if fpLen > 0 {
		x := b[fp-sp:]
		copy(x, c.FPState)
		if fpLen >= 576 {
			xfeatures := le.Uint64(x[swReserved:])
			clear(x[swReserved:512])
			le.PutUint32(x[swReserved:], magic1)
			le.PutUint32(x[swReserved+4:], uint32(fpLen)+4)
			le.PutUint64(x[swReserved+8:], xfeatures)
			le.PutUint32(x[swReserved+16:], uint32(fpLen))
			le.PutUint32(x[fpLen:], magic2)
		}
	}
	if _, err := m.CopyOut(sp, b); err != nil {
		return err
	}
	r.RDI = uint64(c.Info.Signo)
	r.RAX = 0
	r.RSI = sp + frInfo
	r.RDX = sp + frUC
	r.RIP = c.Handler
	r.RSP = sp
	r.CS, r.SS = userCS, userSS
	r.RFLAGS &^= 0x400 | 0x100 | 0x10000 // DF, TF, RF
	r.OrigRAX = ^uint64(0)
	return nil
}

// Popped is what a signal frame restored, the registers aside.
type Popped struct {
	Mask    signal.Set
	Stack   AltStack
	FPState []byte // nil: reset it
}

// PopSignal restores the registers from the frame that a rt_sigreturn(2) made
// on r's stack means. fpSize is the size of the extended state. All that it
// reads is hostile.
func (r *Regs) PopSignal(m usermem.Memory, fpSize int) (Popped, error) {
	var b [frSize]byte
	if _, err := m.CopyIn(r.RSP-8, b[:]); err != nil {
		return Popped{}, err
	}
	le := binary.LittleEndian
	get := func(off int) uint64 { return le.Uint64(b[off:]) }
	n := *r
	for i, p := range []*uint64{&n.R8, &n.R9, &n.R10, &n.R11, &n.R12, &n.R13, &n.R14, &n.R15, &n.RDI, &n.RSI, &n.RBP, &n.RBX, &n.RDX, &n.RAX, &n.RCX, &n.RSP, &n.RIP} {
		*p = get(frMC + 8*i)
	}
	n.RFLAGS = r.RFLAGS&^userFlags | get(frMC+136)&userFlags | fixedFlags
	n.CS, n.SS = userCS, userSS
	n.OrigRAX = ^uint64(0)
	p := Popped{
		Mask: signal.Set(get(frMask)),
		Stack: AltStack{
			Addr: get(frStack), Flags: le.Uint32(b[frStack+8:]), Size: get(frStack + 16),
		},
	}
	if fp := get(frMC + 184); fp != 0 {
		x := make([]byte, fpSize)
		if _, err := m.CopyIn(fp, x[:512]); err != nil {
			return Popped{}, err
		}
		ok := le.Uint32(x[swReserved:]) == magic1 && int(le.Uint32(x[swReserved+16:])) <= fpSize
		size := int(le.Uint32(x[swReserved+16:]))
		xf := le.Uint64(x[swReserved+8:])
		if ok && size >= 576 {
			if _, err := m.CopyIn(fp+512, x[512:size]); err != nil {
				return Popped{}, err
			}
			le.PutUint64(x[512:], le.Uint64(x[512:])&xf) // XSTATE_BV
			clear(x[520:576])                            // XCOMP_BV and reserved
		} else if fpSize >= 576 {
			le.PutUint64(x[512:], 3) // x87 and SSE only
		}
		p.FPState = x
	}
	*r = n
	return p, nil
}
