package epoll

import "sentinel/internal/abi/linux"

// maxNests is EP_MAX_NESTS.
const maxNests = 4

// link notes that outer is to watch inner, unless that made a cycle or a chain
// that is too long (ep_loop_check).
func link(outer, inner *Instance) error {
	outer.sys.nestMu.Lock()
	defer outer.sys.nestMu.Unlock()
	down := depth(inner, outer, 0, map[*Instance]int{}, func(ep *Instance) map[*Instance]int { return ep.children })
	if down > maxNests {
		return linux.ELOOP
	}
	up := depth(outer, nil, 0, map[*Instance]int{}, func(ep *Instance) map[*Instance]int { return ep.parents })
	if down+1+up > maxNests {
		return linux.ELOOP
	}
	bump(&outer.children, inner, 1)
	bump(&inner.parents, outer, 1)
	return nil
}

// depth is the length of the longest path from ep along next, more than
// maxNests if it meets stop.
func depth(ep, stop *Instance, level int, seen map[*Instance]int, next func(*Instance) map[*Instance]int) int {
	if d, ok := seen[ep]; ok {
		return d
	}
	d := 0
	for n := range next(ep) {
		if n == stop || level > maxNests {
			d = maxNests + 1
		} else {
			d = max(d, depth(n, stop, level+1, seen, next)+1)
		}
		if d > maxNests {
			break
		}
	}
	seen[ep] = d
	return d
}

func unlink(outer, inner *Instance) {
	outer.sys.nestMu.Lock()
	defer outer.sys.nestMu.Unlock()
	bump(&outer.children, inner, -1)
	bump(&inner.parents, outer, -1)
}

func bump(m *map[*Instance]int, k *Instance, by int) {
	if *m == nil {
		*m = make(map[*Instance]int)
	}
	if (*m)[k] += by; (*m)[k] == 0 {
		delete(*m, k)
	}
}
