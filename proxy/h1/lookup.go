package h1

import "iter"

// Lookup returns the value of the first field of a name, given in any case, in a head that was accepted; ok is
// false without one.
func Lookup(head []byte, name string) (value []byte, ok bool) {
	for field, value, rest := nextField(fieldLines(head)); field != nil; field, value, rest = nextField(rest) {
		if named(field, name) {
			return value, true
		}
	}
	return nil, false
}

// Values yields the values of all fields of a name, given in any case, in a head that was accepted.
func Values(head []byte, name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for field, value, rest := nextField(fieldLines(head)); field != nil; field, value, rest = nextField(rest) {
			if named(field, name) && !yield(value) {
				return
			}
		}
	}
}

// named compares names, which fold in ASCII only.
func named(field []byte, name string) bool {
	if len(field) != len(name) {
		return false
	}
	for i, c := range field {
		if lower(c) != lower(name[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
