package loopback

import (
	"sentinel/internal/sock/inet"
)

// procState is the state as in include/net/tcp_states.h.
func (s *TCP) procState() byte {
	switch s.state.Load() {
	case stListen:
		return 10
	case stConnecting:
		return 2
	case stEstablished:
		switch s.shut.Load() {
		case 0:
			return 1
		case shutRecv:
			return 8 // CLOSE_WAIT
		case shutSend:
			return 5 // FIN_WAIT2
		}
	}
	return 7
}

// Rows returns what /proc/net tells of the sockets of a protocol and family.
func (st *Stack) Rows(protocol, family int) []inet.Row {
	st.mu.Lock()
	defer st.mu.Unlock()
	var rows []inet.Row
	if protocol == inet.TCP {
		for s := range st.tcps {
			if s.Family != family || s.closed || s.local.Port() == 0 {
				continue
			}
			s.rx.mu.Lock()
			n := s.rx.ring.Len()
			s.rx.mu.Unlock()
			if s.state.Load() == stListen {
				n = len(s.pending)
			}
			rows = append(rows, inet.Row{Local: s.local, Remote: s.remote, State: s.procState(), RxQueue: n, UID: s.UID, Ino: s.Ino})
		}
		return rows
	}
	for s := range st.udps {
		if s.Family != family || s.local.Port() == 0 {
			continue
		}
		state := byte(7)
		if s.remote.IsValid() {
			state = 1
		}
		s.rx.mu.Lock()
		n := s.rx.bytes
		s.rx.mu.Unlock()
		rows = append(rows, inet.Row{Local: s.local, Remote: s.remote, State: state, RxQueue: n, UID: s.UID, Ino: s.Ino})
	}
	return rows
}
