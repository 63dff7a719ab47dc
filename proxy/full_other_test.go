//go:build !linux

package proxy_test

import "testing"

// full needs a socket whose queue is full, which is made differently elsewhere.
func full(t testing.TB) string {
	t.Skip("needs Linux")
	return ""
}
