package bolt_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFullDisk fills a real file system, a small one in memory. It takes root and a mount namespace of its
// own; TestFull, which needs neither, runs everywhere.
func TestFullDisk(t *testing.T) {
	c := child(t, "fill disk", t.TempDir())
	c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := c.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("a mount namespace is not allowed here; TestFull covers the behaviour")
	}
	if err != nil {
		t.Fatalf("child: %v: %s", err, out)
	}
}

// fillDisk mounts a file system of 512 KiB on dir. Half of it is taken by ballast that goes away later.
func fillDisk(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		return err
	}
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 256<<10), 0o600); err != nil {
		return err
	}
	return fill(filepath.Join(dir, "state"), func() error { return nil }, func() error { return os.Remove(ballast) })
}
