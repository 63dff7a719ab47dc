package control

import (
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store/memory"
)

// TestSilentCandidate: requests that hang have not failed yet when they are counted. Where errors are the only
// check they hold the promotion up, and a candidate that answers is not held up by it.
func TestSilentCandidate(t *testing.T) {
	onlyErrors := func(r *config.Rollout) {
		r.Checks = []config.Check{{Name: config.CheckErrors, MaxRatio: 1, MaxIncrease: 0.02}}
	}
	for _, hangs := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			w := newWorld(100)
			n := lead(t, memory.New(), canary(time.Minute, onlyErrors), w)
			warm()
			w.change("green", func(b *behavior) { b.hangs = hangs })
			n.startRollout()
			rest(5 * time.Minute)
			r := n.service().Rollout
			switch said := "requests on green had no answer in time"; {
			case hangs && (r.Step != 1 || !strings.HasSuffix(r.Waiting, said)):
				t.Errorf("a silent candidate is at step %d, waiting: %q; want step 1, …%s", r.Step, r.Waiting, said)
			case !hangs && r.Step == 1:
				t.Errorf("a candidate that answers is at step 1, waiting: %q", r.Waiting)
			}
		})
	}
}
