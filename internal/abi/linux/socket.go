package linux

// Constants of sockets that x/sys/unix lacks or spells otherwise, from
// include/uapi/linux/{rtnetlink,udp,in,if}.h.
const (
	RT_TABLE_MAIN  = 254
	RT_TABLE_LOCAL = 255

	UDP_CORK    = 1
	UDP_SEGMENT = 103
	UDP_GRO     = 104

	MCAST_JOIN_GROUP         = 42
	MCAST_BLOCK_SOURCE       = 43
	MCAST_UNBLOCK_SOURCE     = 44
	MCAST_LEAVE_GROUP        = 45
	MCAST_JOIN_SOURCE_GROUP  = 46
	MCAST_LEAVE_SOURCE_GROUP = 47

	IFNAMSIZ = 16
)
