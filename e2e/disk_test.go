//go:build e2e && linux

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestFullDisk keeps the state on a small disk of its own and fills it. What cannot be made durable is
// refused, except for a rollback: that one is applied, said to be not durable, and written later.
func TestFullDisk(t *testing.T) {
	s := newSite(t)
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("a full disk needs a small one, and mounting a tmpfs is not possible here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", disk, err)
		}
	})
	s.state = filepath.Join(disk, "state")
	s.save(t, s.yaml(100))
	s.start(t)
	s.up(t)
	s.cutover(t, "green")

	fill(t, filepath.Join(disk, "filler"))
	before := s.untilRefused(t)
	live := before.Roles.Live
	s.always(t, live, 50)
	if after := s.view(t); after.Revision != before.Revision || after.Roles.Live != live {
		t.Errorf("a refused command changed revision %d, %s into %d, %s", before.Revision, live, after.Revision, after.Roles.Live)
	}
	o, err := s.api.Overview(t.Context())
	if err != nil || o.Node.State.Error == "" {
		t.Errorf("status does not show that the state cannot be written: %+v, %v", o.Node.State, err)
	}

	c, err := s.api.Rollback(t.Context(), "web", api.CommandRequest{Reason: "now"})
	if err != nil {
		t.Fatalf("roll back on a full disk: %v", err)
	}
	if c.Durable || !c.Changed {
		t.Errorf("rollback: changed %v, durable %v, want a change that is not durable", c.Changed, c.Durable)
	}
	back := other(live)
	s.always(t, back, 50)
	if s.view(t).Durable {
		t.Error("status says durable")
	}

	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	binary.Until(t, "the rollback is durable", func() bool { return s.view(t).Durable })
	s.proc.Kill()
	s.start(t)
	s.always(t, back, 50)
	s.up(t)
	s.cutover(t, live)
	s.always(t, live, 20)
}

// untilRefused cuts over to and fro until a cutover is refused, which takes a few: a database may have
// room of its own left. It returns the service as it was before the refused one.
func (s *site) untilRefused(t *testing.T) api.Service {
	t.Helper()
	for range 200 {
		before := s.view(t)
		_, err := s.api.Cutover(t.Context(), "web", api.CutoverRequest{To: other(before.Roles.Live), Reason: strings.Repeat("x", 200)})
		if err != nil {
			p := refused(t, err, api.TypeStoreUnavailable)
			if p.Status != 503 {
				t.Errorf("status %d, want 503", p.Status)
			}
			return before
		}
	}
	t.Fatal("200 cutovers succeeded on a full disk")
	return api.Service{}
}

func other(pool string) string {
	if pool == "blue" {
		return "green"
	}
	return "blue"
}

// fill writes until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		n, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC) && n == 0:
			size /= 2
		case err != nil && !errors.Is(err, syscall.ENOSPC):
			t.Fatal(err)
		}
	}
}
