package trap

// What the stub and the supervisor agree on: stub/stub.h says the same in C,
// and a test compares the two.

const (
	regionBase = 0x6ffd00000000
	slotSize   = 0x40000
	slots      = 1024
	regionSize = slots * slotSize
	offOrders  = 0x1000
	offStack   = 0x2000
	stackSize  = 0xe000
	offBuf     = 0x10000
	inSize     = 0x6000
	offOut     = offBuf + inSize
	vecData    = 128 // where in the buffer is what an array of struct iovec points to
	outSize    = 0x10000
	offUC      = 0x400
	offOut2    = 0x800 // of a second piece that goes with the result
	out2Size   = 0xff
	outLen2    = 24 // where its length is in OutLen
	offSelf    = 0xff8
	offFP      = 0x3c000
	fpRoom     = slotSize - offFP
	maxOrders  = 0x1000 / orderSize
	orderSize  = 64
	offPID     = 224 // of the local answers: pid, tid, uid, euid, gid, egid

	stubStart   = 0x6ffe00000000
	stubEnd     = 0x6ffe00010000
	stGuest     = 0
	stEvent     = 1
	stReply     = 2
	evReady     = 1
	evSyscall   = 2
	evFault     = 3
	evInterrupt = 4
	evDone      = 5
	evPatched   = 0x100
	opReturn    = 1
	opResume    = 2
	opOrders    = 3
	opBlock     = 4
	opClone     = 5
	opExit      = 6
	opCAS       = 7
	opSaveFP    = 8
	opFinish    = 9
)

// control is struct cb: the control block of a thread. Everything in it can be
// changed by the guest at any moment; it is read once and checked.
type control struct {
	State      uint32
	StubSleeps uint32
	SupSleeps  uint32
	Interrupt  uint32
	StubCPU    uint32
	SupCPU     uint32
	Event, Op  uint32
	Nr         uint64
	Ret        uint64
	InLen      uint32
	OutLen     uint32
	Frame      uint64

	Args            [6]uint64
	InAddr, OutAddr uint64

	PC                    uint64
	Arch                  uint32
	Code                  int32
	Addr, TrapNo, ErrCode uint64
	Sig, NrOrders         uint32
	Arg                   uint64
	Result                uint64

	CallsLocal, CallsForwarded           uint64
	Released                             uint32
	_                                    uint32
	Flags                                uint64
	PID, TID, UID, EUID, GID, EGID, PPID uint32
	Blocked                              uint32

	// For sigaltstack(2).
	StackSP    uint64
	StackFlags uint32
	_          uint32
	StackSize  uint64

	Spin         uint64
	Patched      uint32
	Bell         uint32
	CallsPatched uint64
	FlagsSaved   uint64
	NrLive       uint64
	OutAddr2     uint64
}

// order is struct order.
type order struct {
	Nr      uint64
	Args    [6]uint64
	Receive uint64
}

// Bits of order.Receive: what becomes of descriptor 1.
const (
	recvDrop = 1 // the one kept before is closed
	recvTake = 2 // a new one comes
	recvKeep = 4 // and stays open afterwards
)

// Offsets in struct ucontext and the frame around it.
const (
	ucMC   = 40  // sigcontext
	ucFP   = 224 // address of the extended state
	ucSize = 304
)
