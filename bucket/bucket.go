// Package bucket turns a key into a stable position, so that the same user meets the same pool on every
// node and in every release. Its numbers are a compatibility promise: they never change.
package bucket

import "github.com/twmb/murmur3"

// stack is enough for every prefix and key the router accepts, so that Of does not allocate for them.
const stack = 640

// Of is the position of key behind prefix among 2³² places: MurmurHash3 x86 32-bit with seed 0 over the
// bytes of both, one after the other. It does not allocate while both are shorter than 640 bytes.
func Of(prefix, key string) uint32 {
	var buf [stack]byte
	return murmur3.Sum32(append(append(buf[:0], prefix...), key...))
}

// Below reports whether a position lies in the first part out of whole. It compares integers only, so
// every implementation draws the same line. Both are below 2³²; a whole of 0 has no places.
func Below(position uint32, part, whole uint64) bool {
	return uint64(position)*whole < part<<32
}
