package netif

import (
	"strconv"
	"strings"

	"sentinel/internal/abi/linux"
)

// ProcDev is the text of /proc/net/dev; counters are not told.
func (l *List) ProcDev() string {
	var b strings.Builder
	b.WriteString("Inter-|   Receive                                                |  Transmit\n" +
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n")
	for i := range l.Links() {
		name := l.links[i].Name
		for n := len(name); n < 6; n++ {
			b.WriteByte(' ')
		}
		b.WriteString(name)
		b.WriteString(":       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n")
	}
	return b.String()
}

func hexLE(ip []byte) string {
	var v uint32
	if len(ip) >= 4 {
		v = ne.Uint32(ip)
	}
	s := strings.ToUpper(strconv.FormatUint(uint64(v), 16))
	return strings.Repeat("0", 8-len(s)) + s
}

// ProcRoute is the text of /proc/net/route.
func (l *List) ProcRoute() string {
	var b strings.Builder
	line := func(s string) {
		b.WriteString(s)
		for n := len(s); n < 127; n++ {
			b.WriteByte(' ')
		}
		b.WriteByte('\n')
	}
	line("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT")
	for i := range l.Routes() {
		r := &l.routes[i]
		k := l.ByIndex(r.Oif)
		if r.Family != linux.AF_INET || r.Table != linux.RT_TABLE_MAIN || k == nil {
			continue
		}
		flags := 1 // RTF_UP
		if r.Gateway != nil {
			flags |= 2
		}
		if r.DstLen == 32 {
			flags |= 4
		}
		f := strconv.FormatInt(int64(flags), 16)
		line(k.Name + "\t" + hexLE(r.Dst) + "\t" + hexLE(r.Gateway) + "\t" + strings.Repeat("0", 4-len(f)) + f +
			"\t0\t0\t" + strconv.FormatUint(uint64(r.Metric), 10) + "\t" + hexLE(mask(r.DstLen)) + "\t0\t0\t0")
	}
	return b.String()
}

// ProcIfInet6 is the text of /proc/net/if_inet6.
func (l *List) ProcIfInet6() string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	hex := func(c byte) {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	for i := range l.Addrs() {
		a := &l.addrs[i]
		k := l.ByIndex(a.Index)
		if a.Family != linux.AF_INET6 || k == nil {
			continue
		}
		for _, c := range a.Local {
			hex(c)
		}
		// ipv6_addr_scope: link 0x20, host 0x10, global 0.
		scope := byte(0)
		switch a.Scope {
		case linux.RT_SCOPE_HOST:
			scope = 0x10
		case linux.RT_SCOPE_LINK:
			scope = 0x20
		}
		for _, c := range []byte{byte(a.Index), a.Prefix, scope, a.Flags} {
			b.WriteByte(' ')
			hex(c)
		}
		for n := len(k.Name); n < 9; n++ {
			b.WriteByte(' ')
		}
		b.WriteString(k.Name)
		b.WriteByte('\n')
	}
	return b.String()
}
