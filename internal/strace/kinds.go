package strace

// kind tells how an argument or result is printed. Those called out are read
// from the guest's memory after the call, the others before.
type kind uint8

const (
	kInt        kind = iota + 1 // signed, 32 bits
	kUint                       // unsigned, 32 bits
	kLong                       // signed, 64 bits
	kUlong                      // unsigned, 64 bits
	kSize                       // size_t
	kHex                        // 0 or 0x...
	kOct                        // 0...
	kPtr                        // NULL or 0x...
	kFd                         // descriptor
	kAt                         // descriptor or AT_FDCWD
	kPath                       // string, whole
	kStr                        // string, cut
	kMode                       // permission bits
	kOpenmode                   // mode, printed only with O_CREAT or O_TMPFILE
	kFlags                      // bits of a set of names
	kEnum                       // one of a set of names
	kSignal                     // signal number
	kFdset                      // select's set; the parameter is nfds
	kPollfds                    // array of struct pollfd; the parameter is its length
	kInbuf                      // bytes; the parameter is their number
	kOutbuf                     // bytes; the result is their number
	kOutstr                     // string
	kIniov                      // array of struct iovec with data; the parameter is its length
	kOutiov                     // the same to be filled; the result is the number of bytes
	kInlong                     // pointer to a 64-bit number
	kInoutint                   // pointer to an int that the call changes
	kOutint                     // pointer to an int
	kOutfds                     // two descriptors
	kOutwstatus                 // wait status
	kOutstat                    // struct stat
	kOutstatx                   // struct statx
	kOutrusage                  // struct rusage
	kOututsname                 // struct utsname
	kIntimespec                 // struct timespec
	kOuttimespec
	kIntimespecs // two of them
	kIntimeval
	kOuttimeval
	kIntimevals
	kInitimerval
	kOutitimerval
	kInitimerspec
	kOutitimerspec
	kInsigset
	kOutsigset
	kInsigaction
	kOutsigaction
	kInstack
	kOutstack
	kOutsiginfo
	kInsockaddr  // the parameter is the length
	kOutsockaddr // the parameter is the pointer to the length
	kInmsghdr
	kOutmsghdr
	kInrlimit
	kOutrlimit
	kInepoll
	kOutepoll // the result is the number of events
	kInopenhow
	kInclone3
	kArgv
	kEnvp
	kFcntlarg // the parameter is the command
	kFutexarg // a time or a number, by the operation
)

// argument is one argument of a call.
type argument struct {
	kind kind
	ref  uint8 // the argument that the parameter names
	set  *[]name
}

// signature is how a call is printed.
type signature struct {
	name   string
	result kind
	n      uint8
	args   [6]argument
}

// lookup returns the signature of a call; nil if its number is unknown.
func lookup(nr uint64) *signature {
	if nr >= uint64(len(byNumber)) || byNumber[nr] == 0 {
		return nil
	}
	return &signatures[byNumber[nr]-1]
}
