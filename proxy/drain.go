package proxy

import (
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"go.uber.org/zap"
)

// drains bounds how long requests may stay on a pool that lost its weight. Long-lived ones are kept, or
// closed later and one by one, or closed at once, as the service has it.
type drains struct {
	mu      sync.Mutex // guards the rest
	timers  map[*time.Timer]struct{}
	stopped bool
}

// drained is a pool that lost its weight. Its timers may run for long, so they hold on to no table and no file.
type drained struct {
	service, pool string
	how           config.Drain
	number        uint64 // of the snapshot that took the weight away
}

// start gives every pool that had weight in old and has none in next its drain timeouts.
func (d *drains) start(s *Server, old, next *snapshot) {
	if old == nil {
		return
	}
	for _, p := range old.table.Pools {
		g := drained{p.Service.Name, p.Name, p.Service.Config.Drain, next.number}
		if p.Weight == 0 || next.weight(g) > 0 {
			continue
		}
		s.log.Info("pool drains", zap.String("service", g.service), zap.String("pool", g.pool),
			zap.Int64("in_flight", p.InFlight()), zap.Duration("timeout", g.how.Timeout))
		d.after(g.how.Timeout, func() { s.endDrain(g) })
		switch g.how.LongLived {
		case config.LongLivedDrain:
			d.after(g.how.LongLivedTimeout, func() { s.endLongLived(g, g.how.Spread) })
		case config.LongLivedClose:
			d.after(0, func() { s.endLongLived(g, 0) })
		case config.LongLivedKeep:
		}
	}
}

// weight is what a pool of another table has in this one.
func (n *snapshot) weight(g drained) int {
	if s := n.table.Service(g.service); s != nil {
		if now := s.Pool(g.pool); now != nil {
			return int(now.Weight)
		}
	}
	return 0
}

// endDrain cuts what began on the pool while it had weight, unless it has traffic again.
func (s *Server) endDrain(g drained) {
	if s.snap.Load().weight(g) > 0 {
		return
	}
	// A call that is still there is long-lived, whether it has shown it or not.
	calls := g.how.LongLived == config.LongLivedClose
	n := s.running.cancel(errDrained, func(m *membership) bool {
		return !m.longLived && (calls || !m.grpc) && m.on(g)
	})
	if n > 0 {
		s.log.Warn("requests cut at the drain timeout", zap.String("service", g.service),
			zap.String("pool", g.pool), zap.Int("requests", n))
	}
}

// endLongLived closes the long-lived exchanges that began on the pool while it had weight, one by one over a
// time, as long as the pool has no traffic again. At once means those only that have shown to be long-lived: a
// unary call looks like a stream until it is answered.
func (s *Server) endLongLived(g drained, spread time.Duration) {
	if s.snap.Load().weight(g) > 0 {
		return
	}
	calls := g.how.LongLived == config.LongLivedDrain
	ends := s.running.selected(func(m *membership) bool { return (m.longLived || calls && m.grpc) && m.on(g) })
	if len(ends) == 0 {
		return
	}
	s.log.Info("long-lived exchanges of a drained pool are closed", zap.String("service", g.service),
		zap.String("pool", g.pool), zap.Int("exchanges", len(ends)), zap.Duration("over", spread))
	for i, end := range ends {
		s.drains.after(spread/time.Duration(len(ends))*time.Duration(i), func() {
			if s.snap.Load().weight(g) == 0 {
				end(errDrained)
			}
		})
	}
}

func (d *drains) after(wait time.Duration, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
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
	d.timers, d.stopped = nil, true
}
