package rollout

import (
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// SayWindow is what a rollout waits for that may not go forward by itself at a time; "" when it may.
func SayWindow(p *config.Rollout, at time.Time) string {
	if p == nil || p.InWindow(at) {
		return ""
	}
	next := p.NextWindow(at)
	return "a window, the next opens " + next.Format("Mon 2006-01-02 15:04 ") + next.Location().String()
}
