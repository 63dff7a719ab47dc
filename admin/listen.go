package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// Listen opens the address of the admin API. A socket gets mode 0600; one that a process left behind
// is replaced, one that somebody listens on and a file that is no socket are errors.
func Listen(cfg config.Admin) (net.Listener, error) {
	path, socket := socketPath(cfg.Address)
	if !socket {
		ln, err := net.Listen("tcp", cfg.Address)
		if err != nil {
			return nil, fmt.Errorf("listen for admin: %w", err)
		}
		return ln, nil
	}
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("listen for admin on %s: %w", path, err)
	}
	// Linux takes the mode of the file from the descriptor at bind, so nobody can come in between;
	// elsewhere Chmod has to do.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
	}}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen for admin: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for admin: %w", err), ln.Close())
	}
	return ln, nil
}

// removeStale removes a socket nobody listens on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is not a socket")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		_ = conn.Close()
		return errors.New("another process listens there")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}
