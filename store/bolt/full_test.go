package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/switchback-proxy/switchback/store"
	"github.com/switchback-proxy/switchback/store/bolt"
)

// TestFull lets files grow to a limit only: to a writer that is a full disk.
func TestFull(t *testing.T) { runChild(t, child(t, "fill", t.TempDir())) }

// TestRebuildOnFullDisk damages the database where there is no room for a new one.
func TestRebuildOnFullDisk(t *testing.T) { runChild(t, child(t, "rebuild full", t.TempDir())) }

// limit bounds the size of every file this process writes; 0 lifts it.
func limit(size uint64) error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		return err
	}
	if l.Cur = l.Max; size > 0 {
		l.Cur = size
	}
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)
}

func fillUnderLimit(dir string) error {
	// Above the size of a new database, so that it is the growing that fails.
	return fill(dir, func() error { return limit(200_000) }, func() error { return limit(0) })
}

// fill writes until there is no room, looks around, and goes on when there is room again.
func fill(dir string, scarce, plenty func() error) error {
	s, _, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		return err
	}
	if err := scarce(); err != nil {
		return err
	}
	refused, err := putUntilRefused(s)
	if err != nil {
		return err
	}
	want, err := whole(s)
	if err != nil {
		return err
	}
	if err := refuses(s, refused, want); err != nil {
		return err
	}

	// A restart changes nothing.
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = reopened(dir, want, bolt.Intact); err != nil {
		return fmt.Errorf("restart on a full disk: %w", err)
	}
	if err := refuses(s, refused, want); err != nil {
		return fmt.Errorf("after a restart: %w", err)
	}

	if err := plenty(); err != nil {
		return err
	}
	if _, err := s.Put(context.Background(), refused, sheet(1), 0); err != nil {
		return fmt.Errorf("put when there is room again: %w", err)
	}
	if err := s.LastGood(); err != nil {
		return fmt.Errorf("last-good when there is room again: %w", err)
	}
	if want, err = whole(s); err != nil {
		return err
	}
	return comesBackBothWays(dir, s, want)
}

// putUntilRefused returns the key of the first write that was refused.
func putUntilRefused(s *bolt.Store) (string, error) {
	for i := range 1000 {
		key := fmt.Sprintf("bulk/%03d", i)
		_, err := s.Put(context.Background(), key, bytes.Repeat([]byte{byte(i)}, 8<<10), 0)
		if errors.Is(err, store.ErrUnavailable) {
			return key, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("the disk is not full after 8 MB: this tests nothing")
}

// refuses checks that writes fail again and again, and leave the content alone.
func refuses(s *bolt.Store, key, want string) error {
	for range 5 {
		if _, err := s.Put(context.Background(), key, make([]byte, 64<<10), 0); !errors.Is(err, store.ErrUnavailable) {
			return fmt.Errorf("put on a full disk: %w, want ErrUnavailable", err)
		}
	}
	if got, err := whole(s); err != nil || got != want {
		return fmt.Errorf("after refused writes the store holds %.200s (%w), want %.200s", got, err, want)
	}
	return nil
}

// comesBackBothWays closes a store and opens it from its database, then from last-good.json alone.
func comesBackBothWays(dir string, s *bolt.Store, want string) error {
	if err := s.Close(); err != nil {
		return err
	}
	for _, origin := range []bolt.Origin{bolt.Intact, bolt.Recovered} {
		s, err := reopened(dir, want, origin)
		if err != nil {
			return err
		}
		if err := errors.Join(s.Close(), os.Remove(filepath.Join(dir, database))); err != nil {
			return err
		}
	}
	return nil
}

func reopened(dir, want string, origin bolt.Origin) (*bolt.Store, error) {
	s, report, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		return nil, err
	}
	got, err := whole(s)
	if err == nil && (got != want || report.Origin != origin) {
		err = fmt.Errorf("%v %q with %.200s, want %v with %.200s", report.Origin, report.Warnings, got, origin, want)
	}
	return s, err
}

func whole(s store.Store) (string, error) {
	list, at, err := s.List(context.Background(), "")
	return describe(list, at), err
}

func rebuildUnderLimit(dir string) error {
	s, _, err := bolt.Open(dir, bolt.Options{})
	if err != nil {
		return err
	}
	if _, err := s.Put(context.Background(), "k", []byte("v"), 0); err != nil {
		return err
	}
	want, err := whole(s)
	if err := errors.Join(err, s.Close(), os.WriteFile(filepath.Join(dir, database), []byte("garbage"), 0o600)); err != nil {
		return err
	}
	if err := limit(4096); err != nil {
		return err
	}
	_, report, err := bolt.Open(dir, bolt.Options{})
	if err == nil || !strings.Contains(err.Error(), "rebuild state.db") || report.SetAside != "" {
		return fmt.Errorf("open of a damaged database without room: %+v, %w", report, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, database)); err != nil || string(b) != "garbage" {
		return fmt.Errorf("the damaged database is now %q, %w", b, err)
	}
	if err := limit(0); err != nil {
		return err
	}
	if s, err = reopened(dir, want, bolt.Recovered); err != nil {
		return err
	}
	return comesBackBothWays(dir, s, want)
}
