//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestReload changes the file in each way that files are changed in practice.
func TestReload(t *testing.T) {
	s := newSite(t)
	s.start(t)
	s.up(t)
	t.Run("rename", func(t *testing.T) {
		s.save(t, s.yaml(70))
		s.inForce(t, 70)
	})
	t.Run("in place", func(t *testing.T) {
		if err := os.WriteFile(s.file, []byte(s.yaml(60)), 0o600); err != nil {
			t.Fatal(err)
		}
		s.inForce(t, 60)
	})
	t.Run("signal", func(t *testing.T) {
		s.save(t, s.yaml(50))
		s.proc.Signal(t, syscall.SIGHUP)
		s.inForce(t, 50)
	})
	t.Run("api", func(t *testing.T) {
		s.save(t, s.yaml(40))
		r, err := s.api.Reload(t.Context(), api.CommandRequest{Reason: "test"})
		if err != nil {
			t.Fatal(err)
		}
		// The answer means effective: no waiting here.
		if got := s.view(t).Weights.InForce["blue"]; got != 40 {
			t.Errorf("blue has %v %% after the answer, want 40", got)
		}
		if r.Digest == "" {
			t.Error("the answer names no digest")
		}
	})
	t.Run("bad file", func(t *testing.T) { badFile(t, s) })
}

func badFile(t *testing.T, s *site) {
	before, err := s.api.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const gauge = "switchback_config_last_reload_successful"
	if got := s.metric(t, gauge); got != "1" {
		t.Errorf("%s = %q with a good file, want 1", gauge, got)
	}
	s.save(t, strings.Replace(s.yaml(10), "weights:", "weihgts:", 1))
	binary.Until(t, "status shows what is wrong", func() bool {
		o, err := s.api.Overview(t.Context())
		return err == nil && strings.Contains(o.Node.Config.Error, "weihgts")
	})
	after, err := s.api.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if after.Node.Config.Digest != before.Node.Config.Digest {
		t.Error("the digest in force changed")
	}
	if got := after.Services[0].Weights.InForce["blue"]; got != 40 {
		t.Errorf("blue has %v %%, want 40 as before", got)
	}
	if got := s.metric(t, gauge); got != "0" {
		t.Errorf("%s = %q, want 0", gauge, got)
	}
	_, err = s.api.Reload(t.Context(), api.CommandRequest{Reason: "test"})
	refused(t, err, api.TypeInvalid)
	if n := strings.Count(s.proc.Output(), "weihgts"); n < 1 {
		t.Error("the log does not name the reason")
	}
	s.save(t, s.yaml(30))
	s.inForce(t, 30)
	binary.Until(t, "the good file is told", func() bool { return s.metric(t, gauge) == "1" })
	o, err := s.api.Overview(t.Context())
	if err != nil || o.Node.Config.Error != "" {
		t.Errorf("status still shows %q, %v", o.Node.Config.Error, err)
	}
}

// TestReloadConfigMap mounts the file as Kubernetes does: a link to a link to a folder, of which the
// middle one is replaced.
func TestReloadConfigMap(t *testing.T) {
	s := newSite(t)
	mount := t.TempDir()
	put := func(folder, yaml string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(mount, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(mount, folder, "switchback.yaml"), []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(folder, filepath.Join(mount, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	put("..first", s.yaml(100))
	s.file = filepath.Join(mount, "switchback.yaml")
	if err := os.Symlink(filepath.Join("..data", "switchback.yaml"), s.file); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	s.up(t)
	put("..second", s.yaml(35))
	s.inForce(t, 35)
	if err := os.RemoveAll(filepath.Join(mount, "..first")); err != nil {
		t.Fatal(err)
	}
	put("..third", s.yaml(25))
	s.inForce(t, 25)
}
