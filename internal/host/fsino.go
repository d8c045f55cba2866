package host

import "sync"

// InoMap gives the inodes of several host file systems distinct numbers, so
// that a guest can see them on one device.
type InoMap struct {
	root uint64 // the file system whose numbers stand for themselves

	mu   sync.Mutex
	devs map[uint64]uint64
	big  map[[2]uint64]uint64
}

const (
	// InoLimit is above the numbers that are kept as they are. Those from it
	// to twice it are never given out.
	InoLimit = 1 << 47
	devShift = 48
)

// NewInoMap returns a map for a tree that is mostly on the file system root.
func NewInoMap(root uint64) *InoMap { return &InoMap{root: root} }

// Ino returns the number that is shown for a host inode.
func (t *InoMap) Ino(dev, ino uint64) uint64 {
	if dev == t.root && ino < InoLimit {
		return ino
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ino < InoLimit {
		n, ok := t.devs[dev]
		if !ok {
			if t.devs == nil {
				t.devs = make(map[uint64]uint64)
			}
			n = uint64(len(t.devs) + 1)
			t.devs[dev] = n
		}
		if n < 1<<15 {
			return n<<devShift | ino
		}
	}
	n, ok := t.big[[2]uint64{dev, ino}]
	if !ok {
		if t.big == nil {
			t.big = make(map[[2]uint64]uint64)
		}
		n = 1<<63 | uint64(len(t.big))
		t.big[[2]uint64{dev, ino}] = n
	}
	return n
}
