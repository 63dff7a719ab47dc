//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

// mortal is an nginx of its own with one server of a pool, which can be killed and started again.
type mortal struct {
	addr, dir, file, nginx string
	proc                   *binary.Process
}

func newMortal(t *testing.T, pool string) *mortal {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatalf("nginx is needed, make e2e installs it: %v", err)
	}
	m := &mortal{addr: binary.Addr(t), dir: t.TempDir(), nginx: path}
	m.file = filepath.Join(m.dir, "nginx.conf")
	if err := os.WriteFile(m.file, []byte(fmt.Sprintf(global, m.dir, fmt.Sprintf(server, m.addr, pool, m.dir))), 0o644); err != nil {
		t.Fatal(err)
	}
	m.start(t)
	return m
}

func (m *mortal) start(t *testing.T) {
	t.Helper()
	m.proc = binary.Start(t, m.dir, m.nginx, "-p", m.dir, "-c", m.file, "-e", filepath.Join(m.dir, "error.log"))
	binary.Until(t, m.addr+" answers", func() bool { return status("http://"+m.addr+"/healthz") == 200 })
}

// TestKillTargets kills one of two targets without warning, and the other one in turn, while requests come over
// kept connections: 5 times, or as often as KILLS says. No request fails, and p99 stays where it is without kills,
// but for what a repeated request takes.
func TestKillTargets(t *testing.T) {
	times := number(t, "KILLS", 5)
	targets := []*mortal{newMortal(t, "blue"), newMortal(t, "blue")}
	green := newMortal(t, "green")
	s := newSiteOf(t, map[string][]string{
		"blue": {"http://" + targets[0].addr, "http://" + targets[1].addr}, "green": {"http://" + green.addr},
	})
	s.start(t)
	up := func(n int) {
		t.Helper()
		binary.Until(t, fmt.Sprintf("%d targets are up", n), func() bool {
			v, err := s.api.Service(t.Context(), "web")
			return err == nil && v.Pools["blue"].Up == n
		})
	}
	up(2)

	load := func() *steady { return startSteady(t, s.listen, 500, 8) }
	calm := load()
	<-time.After(2 * time.Second)
	alone := calm.p99(t, "no kills")

	storm := load()
	for i := range times {
		victim := targets[i%2]
		victim.proc.Kill()
		// Half of the times it is back before it was missed.
		if i%4 < 2 {
			up(1)
		}
		victim.start(t)
		up(2)
		// One of two at a time: nobody who was hit waits any more when the other one goes.
		met := storm.sent.Load() + 200
		binary.Until(t, "traffic flows", func() bool { return storm.sent.Load() >= met })
	}
	p99 := storm.p99(t, fmt.Sprintf("%d kills", times))
	if limit := max(5*time.Millisecond, 3*alone); p99 > limit {
		t.Errorf("p99 is %v with kills and %v without, want at most %v", p99, alone, limit)
	}
	if strings.Contains(s.proc.Output(), "panic") {
		t.Error("the log tells of a panic")
	}
}
