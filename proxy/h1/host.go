package h1

// ValidHost reports whether s is a host with an optional port, as Host fields and authorities have
// it: a name of letters, digits and "-._~", an IPv4 address, or an IPv6 address in brackets; the
// port 1 to 5 digits up to 65535.
//
// This is narrower than RFC 3986 §3.2.2 on purpose. Percent escapes, sub-delimiters such as the
// comma, zone identifiers and an empty port are read in different ways by different programs, and
// no host on the network needs them.
func ValidHost(s string) bool { return validHost(s) }

func validHost[T string | []byte](s T) bool {
	const maxName = 255 // a name in the DNS has no more
	if len(s) > 0 && s[0] == '[' {
		for i := range len(s) {
			if s[i] == ']' {
				return validIPv6(s[1:i]) && validPort(s[i+1:])
			}
		}
		return false
	}
	i := 0
	for i < len(s) && classes[s[i]]&hostByte != 0 {
		i++
	}
	return 0 < i && i <= maxName && validPort(s[i:])
}

// validPort accepts nothing, or a colon and a number.
func validPort[T string | []byte](s T) bool {
	if len(s) == 0 {
		return true
	}
	if s[0] != ':' || len(s) < 2 || len(s) > 6 || !all(s[1:], digitByte) {
		return false
	}
	n := 0
	for i := 1; i < len(s); i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

// validIPv6 accepts the text forms of RFC 4291 §2.2. It exists beside netip.ParseAddr because that
// takes a string, and making one of a slice of the read buffer allocates.
func validIPv6[T string | []byte](s T) bool {
	groups, gap := 0, false
	if len(s) >= 2 && s[0] == ':' && s[1] == ':' {
		gap, s = true, s[2:]
	}
	for len(s) > 0 {
		n := 0
		for n < len(s) && classes[s[n]]&hexByte != 0 {
			n++
		}
		if n < len(s) && s[n] == '.' {
			return validIPv4(s) && fills(groups+2, gap)
		}
		if n < 1 || n > 4 {
			return false
		}
		groups++
		s = s[n:]
		switch {
		case len(s) == 0:
		case len(s) == 1 || s[0] != ':':
			return false
		case s[1] != ':':
			s = s[1:]
		case gap:
			return false
		default:
			gap, s = true, s[2:]
		}
	}
	return fills(groups, gap)
}

// fills reports whether so many groups make an IPv6 address; a gap stands for one group or more.
func fills(groups int, gap bool) bool {
	if gap {
		return groups < 8
	}
	return groups == 8
}

// validIPv4 accepts four numbers up to 255 without leading zeros, with dots between.
func validIPv4[T string | []byte](s T) bool {
	for part := 1; ; part++ {
		n, i := 0, 0
		for i < len(s) && i < 3 && classes[s[i]]&digitByte != 0 {
			n = n*10 + int(s[i]-'0')
			i++
		}
		if i == 0 || n > 255 || i > 1 && s[0] == '0' {
			return false
		}
		s = s[i:]
		if part == 4 {
			return len(s) == 0
		}
		if len(s) == 0 || s[0] != '.' {
			return false
		}
		s = s[1:]
	}
}
