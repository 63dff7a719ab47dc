package proxy_test

import (
	"net"
	"os"
	"os/exec"
	"testing"
)

// pathVariable chooses how the tests of this package reach a target.
const pathVariable = "SWITCHBACK_TEST_PATH"

const (
	generalPath = "general" // net/http serves, event loops do not
	splitPath   = "split"   // what a test writes to a connection of its own leaves byte by byte
)

// testPath asks each time: what is asked before the tests begin is unknown to the cache of their results.
func testPath() string { return os.Getenv(pathVariable) }

// TestGeneralPath: all tests hold on both paths.
func TestGeneralPath(t *testing.T) { again(t, generalPath, "^$") }

// TestSplitWrites: nothing depends on how a client cuts what it sends. Filling all buffers would take minutes.
func TestSplitWrites(t *testing.T) { again(t, splitPath, "^TestBackPressure$/^request$") }

// again runs the tests of this package in a process of its own. It is not parallel: both would be late.
func again(t *testing.T, path, skip string) {
	switch {
	case testPath() != "":
		t.Skip("runs in the other process already")
	case testing.Short() || raced:
		t.Skip("takes as long as all other tests")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.parallel=8", "-test.timeout=5m", "-test.skip="+skip)
	cmd.Env = append(os.Environ(), pathVariable+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s=%s: %v\n%s", pathVariable, path, err, out)
	}
}

// splitConn writes byte by byte. It is a client's, so what it writes is a request.
type splitConn struct{ *net.TCPConn }

func (c splitConn) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var one int
		one, err = c.TCPConn.Write(p[n : n+1])
		n += one
	}
	return n, err
}
