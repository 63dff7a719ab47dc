//go:build e2e

package e2e

import (
	"os"
	"strconv"
	"testing"
)

// number is the value of an environment variable that makes a test longer, or what it is without.
func number(t *testing.T, name string, without int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return without
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number above zero", name, text)
	}
	return n
}
