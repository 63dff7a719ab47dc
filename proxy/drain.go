package proxy

import (
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/router"
	"go.uber.org/zap"
)

// drains bounds how long ordinary requests may stay on a pool that lost its weight. Long-lived ones are
// left alone.
type drains struct {
	mu     sync.Mutex // guards timers
	timers map[*time.Timer]struct{}
}

// start gives every pool that had weight in old and has none in next its drain timeout.
func (d *drains) start(s *Server, old, next *snapshot) {
	if old == nil {
		return
	}
	for _, p := range old.table.Pools {
		if p.Weight == 0 || next.weight(p) > 0 {
			continue
		}
		s.log.Info("pool drains", zap.String("service", p.Service.Name), zap.String("pool", p.Name),
			zap.Int64("in_flight", p.InFlight()), zap.Duration("timeout", p.Service.Config.Drain.Timeout))
		d.after(p.Service.Config.Drain.Timeout, func() { s.endDrain(p, next.number) })
	}
}

// weight is what a pool of another table has in this one.
func (n *snapshot) weight(p *router.Pool) int {
	if s := n.table.Service(p.Service.Name); s != nil {
		if now := s.Pool(p.Name); now != nil {
			return int(now.Weight)
		}
	}
	return 0
}

// endDrain cuts what began on the pool before the snapshot of that number, unless it has traffic again.
func (s *Server) endDrain(p *router.Pool, number uint64) {
	if s.snap.Load().weight(p) > 0 {
		return
	}
	n := s.running.cancel(errDrained, func(m *membership) bool {
		return !m.longLived && m.number < number && m.pool.Name == p.Name && m.pool.Service.Name == p.Service.Name
	})
	if n > 0 {
		s.log.Warn("requests cut at the drain timeout", zap.String("service", p.Service.Name),
			zap.String("pool", p.Name), zap.Int("requests", n))
	}
}

func (d *drains) after(wait time.Duration, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timers == nil {
		d.timers = map[*time.Timer]struct{}{}
	}
	var t *time.Timer
	t = time.AfterFunc(wait, func() {
		d.mu.Lock()
		_, runs := d.timers[t]
		delete(d.timers, t)
		d.mu.Unlock()
		if runs {
			f()
		}
	})
	d.timers[t] = struct{}{}
}

func (d *drains) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for t := range d.timers {
		t.Stop()
	}
	d.timers = nil
}
