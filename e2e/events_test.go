//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// TestEventsSurviveKill kills the proxy without warning right after changes were acknowledged. Every one of them
// is an event afterwards, once; a reader who goes on from the last id it has misses none; and the change that is
// sent again with its key gets its answer again and does nothing twice.
func TestEventsSurviveKill(t *testing.T) {
	times := 25
	if testing.Short() {
		times = 6
	}
	s := newSite(t)
	s.start(t)
	var acked []string
	reader := &gatherer{got: map[string]int{}}
	for i := range times {
		s.up(t)
		keyed := s.api.Keyed(fmt.Sprint("key-", i))
		var q api.WeightsRequest
		var last api.Change
		for j := range 1 + rand.IntN(4) {
			blue := float64(1 + rand.IntN(98))
			q = api.WeightsRequest{Weights: api.Weights{"blue": blue, "green": 100 - blue}, Reason: fmt.Sprintf("change %d.%d", i, j)}
			c := s.api
			if j == 0 {
				c = keyed
			}
			var err error
			if last, err = c.SetWeights(t.Context(), "web", q); err != nil {
				t.Fatal(err)
			}
			if last.Changed {
				acked = append(acked, q.Reason)
			}
			if j == 0 {
				reader.read(t, s)
			}
		}
		s.proc.Kill()
		s.start(t)
		s.sendAgain(t, i)
		seen := map[string]int{}
		before := ""
		for _, e := range allEvents(t, s) {
			if before != "" && !later(e.ID, before) {
				t.Fatalf("kill %d: event %s comes behind %s", i, e.ID, before)
			}
			before = e.ID
			seen[e.Reason]++
		}
		for _, reason := range acked {
			if seen[reason] != 1 {
				t.Fatalf("kill %d: %q was acknowledged and is %d events", i, reason, seen[reason])
			}
		}
	}
	reader.read(t, s)
	for _, reason := range acked {
		if reader.got[reason] == 0 {
			t.Errorf("who went on from its last id missed %q", reason)
		}
	}
	t.Logf("%d kills, %d acknowledged changes, all of them are events", times, len(acked))
}

// sendAgain makes a change by a key, kills the proxy after the answer, and sends it again.
func (s *site) sendAgain(t *testing.T, i int) {
	t.Helper()
	s.up(t)
	c := s.api.Keyed(fmt.Sprint("again-", i))
	q := api.CutoverRequest{To: []string{"blue", "green"}[i%2], Reason: fmt.Sprint("again ", i)}
	first, err := c.Cutover(t.Context(), "web", q)
	if err != nil {
		t.Fatal(err)
	}
	s.proc.Kill()
	s.start(t)
	again, err := c.Cutover(t.Context(), "web", q)
	if err != nil || again.Revision != first.Revision || again.Changed != first.Changed || fmt.Sprint(again.Previous) != fmt.Sprint(first.Previous) {
		t.Fatalf("sent again: %+v, %v, first %+v", again, err, first)
	}
	other := q
	other.Reason = "another request"
	if _, err := c.Cutover(t.Context(), "web", other); err == nil || !strings.Contains(err.Error(), "was used at") {
		t.Fatalf("another request with the same key: %v", err)
	}
}

// later compares ids, which are numbers.
func later(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

// allEvents pages through every event.
func allEvents(t *testing.T, s *site) []api.Event {
	t.Helper()
	var all []api.Event
	for after := "0"; ; {
		page, err := s.api.Events(t.Context(), api.EventsQuery{After: after, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Events) == 0 {
			return all
		}
		all = append(all, page.Events...)
		after = all[len(all)-1].ID
	}
}

// gatherer reads the stream now and then, from the last id it has.
type gatherer struct {
	after string
	got   map[string]int
}

func (g *gatherer) read(t *testing.T, s *site) {
	t.Helper()
	page, err := s.api.Events(t.Context(), api.EventsQuery{Limit: 1})
	if err != nil || len(page.Events) == 0 {
		t.Fatalf("the newest event: %+v, %v", page, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for e, err := range s.api.Follow(ctx, api.EventsQuery{After: g.after}) {
		if err != nil {
			t.Fatalf("the stream up to %s: %v", page.Events[0].ID, err)
		}
		g.after = e.ID
		g.got[e.Reason]++
		if !later(page.Events[0].ID, e.ID) {
			return
		}
	}
}
