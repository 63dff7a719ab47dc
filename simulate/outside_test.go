package simulate

import (
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/config"
)

// Checks from outside are left out: nothing is known here of processors and customers.
func TestChecksFromOutsideAreNotPlayed(t *testing.T) {
	plan := Plan{Service: &config.Service{Rollout: &config.Rollout{Checks: []config.Check{{Name: "cpu", Kind: config.KindScrape, MaxRatio: 1.2}}}}, Rate: 10, Runs: 1}
	if err := plan.check(); err == nil || !strings.Contains(err.Error(), "every check is about something from outside") {
		t.Errorf("got %v", err)
	}
	got := playable([]config.Check{{Name: config.CheckErrors}, {Name: "cpu", Kind: config.KindScrape}, {Name: config.CheckP99}})
	if len(got) != 2 || got[1].Name != config.CheckP99 {
		t.Errorf("plays %+v", got)
	}
}
