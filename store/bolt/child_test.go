package bolt_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Some tests need a process of their own, to be killed or to be put under a limit: this test binary
// again, in a role named by the environment.
const (
	roleVariable = "SWITCHBACK_STORE_TEST_ROLE"
	dirVariable  = "SWITCHBACK_STORE_TEST_DIR"
)

// roles are what a child may do with a folder. An error ends it with status 1.
var roles = map[string]func(dir string) error{
	"write":        writeForEver,
	"fill":         fillUnderLimit,
	"fill disk":    fillDisk,
	"rebuild full": rebuildUnderLimit,
}

func TestMain(m *testing.M) {
	role := os.Getenv(roleVariable)
	if role == "" {
		os.Exit(m.Run())
	}
	if err := roles[role](os.Getenv(dirVariable)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child prepares a process in a role.
func child(t testing.TB, role, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self)
	c.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	return c
}

// runChild lets a child come to its end. What it says is the test's failure.
func runChild(t testing.TB, c *exec.Cmd) {
	t.Helper()
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v: %s", err, strings.TrimSpace(string(out)))
	}
}

// lines starts a child and returns what it prints, line by line, until it ends.
func lines(t testing.TB, c *exec.Cmd) <-chan string {
	t.Helper()
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1<<16)
	go func() {
		defer close(said)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			said <- scan.Text()
		}
	}()
	return said
}
