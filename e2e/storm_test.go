//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// A storm is traffic from clients that keep their connections, while changes are made one after another.
// Every request notes the last change that had been answered before it was sent and the last one that had
// begun before it was answered. Only the pools that have weight after one of these changes may answer it.
type storm struct {
	url      string
	total    atomic.Int64 // requests it has, math.MaxInt64 for as long as it takes
	begun    atomic.Int64 // changes begun
	answered atomic.Int64 // changes answered
	sent     atomic.Int64

	mu       sync.Mutex // guards the three below
	seen     map[sighting]int
	failures int
	first    error // the first failure
}

// sighting is who answered a request between two changes.
type sighting struct {
	answered, begun int64
	pool            string
}

// client sends requests until the storm has had them all.
func (s *storm) client() {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 30 * time.Second}
	defer c.CloseIdleConnections()
	seen := make(map[sighting]int)
	for s.sent.Add(1) <= s.total.Load() {
		at := sighting{answered: s.answered.Load()}
		pool, err := ask(c, s.url)
		if err != nil {
			s.fail(err)
			continue
		}
		at.begun, at.pool = s.begun.Load(), pool
		seen[at]++
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for at, n := range seen {
		s.seen[at] += n
	}
}

func (s *storm) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	if s.first == nil {
		s.first = err
	}
}

// wrong counts the requests that a pool answered although it had no weight after any change between the
// two noted ones. weights[i] is what was in force after change i; 0 is the start.
func (s *storm) wrong(kinds []string, weights []api.Weights) (count int, example string) {
	for at, n := range s.seen {
		allowed := false
		for i := at.answered; i <= at.begun; i++ {
			allowed = allowed || weights[i][at.pool] > 0
		}
		if !allowed {
			count += n
			example = fmt.Sprintf("%s answered after change %d, %s, %v", at.pool, at.answered, kinds[at.answered], weights[at.answered])
		}
	}
	return count, example
}

// changes makes the changes of TestStorm one by one. Each returns the weights in force after it.
type changes struct {
	site    *site
	file    int // weight of blue in the file
	given   int // commands
	reloads int
}

// edit saves the file with other weights and waits until that very file is in force: its weights alone may
// have been in force before.
func (c *changes) edit(t *testing.T) api.Weights {
	c.file = (c.file + 10 + rand.IntN(80)) % 100
	yaml := c.site.yaml(c.file)
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(yaml)))
	c.site.save(t, yaml)
	var got api.Overview
	binary.Until(t, "the edited file is in force", func() bool {
		o, err := c.site.api.Overview(t.Context())
		got = o
		return err == nil && o.Node.Config.Digest == digest
	})
	w := api.Weights{"blue": float64(c.file), "green": float64(100 - c.file)}
	if !maps.Equal(got.Services[0].Weights.InForce, w) {
		t.Fatalf("%v in force with the edited file, want %v", got.Services[0].Weights.InForce, w)
	}
	return w
}

// command cuts over to one pool or the other, or rolls back.
func (c *changes) command(t *testing.T) api.Weights {
	var change api.Change
	var err error
	switch c.given++; c.given % 3 {
	case 0:
		change, err = c.site.api.Rollback(t.Context(), "web", api.CommandRequest{Reason: "storm"})
	case 1:
		change = c.site.cutover(t, "green")
	default:
		change = c.site.cutover(t, "blue")
	}
	if err != nil {
		t.Fatalf("roll back: %v", err)
	}
	return change.Weights
}

// reload has the file read again: by API after an edit that moves nothing, or by signal.
func (c *changes) reload(t *testing.T, current api.Weights) api.Weights {
	if c.reloads++; c.reloads%2 == 0 {
		c.site.proc.Signal(t, syscall.SIGHUP)
		return current
	}
	c.site.save(t, c.site.yaml(c.file)+fmt.Sprintf("    timeouts: {idle: %ds}\n", 30+c.reloads))
	if _, err := c.site.api.Reload(t.Context(), api.CommandRequest{Reason: "storm"}); err != nil {
		t.Fatalf("reload: %v", err)
	}
	return current
}

// flip cuts over to the pool that has no traffic.
func (c *changes) flip(t *testing.T) api.Weights {
	to := "green"
	if c.given++; c.given%2 == 0 {
		to = "blue"
	}
	return c.site.cutover(t, to).Weights
}

// TestStorm sends 200,000 requests while the weights in the file are edited 50 times, 200 commands are
// given and the file is reloaded 50 times. No request fails, and none reaches a pool that has no weight
// once the command that took it has been answered.
func TestStorm(t *testing.T) {
	total := int64(200_000)
	if testing.Short() {
		total = 40_000
	}
	kinds := slices.Concat(slices.Repeat([]string{"edit"}, 50), slices.Repeat([]string{"command"}, 200),
		slices.Repeat([]string{"reload"}, 50))
	rand.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	kinds = append([]string{"command"}, kinds...) // so that there is always something to roll back to
	w := &storm{seen: make(map[sighting]int)}
	w.total.Store(total)
	// Spread over the traffic, so that the last change is met by requests too.
	w.blow(t, kinds, func(i int) int64 { return total * int64(i) / int64(len(kinds)) })
}

// TestStormOfCutovers cuts over 1,000 times, as fast as the answers come and requests meet each.
func TestStormOfCutovers(t *testing.T) {
	const met = 32 // requests, two for each client
	w := &storm{seen: make(map[sighting]int)}
	w.total.Store(math.MaxInt64)
	w.blow(t, slices.Repeat([]string{"cutover"}, 1000), func(int) int64 { return w.sent.Load() + met })
}

// blow makes the changes one after another, each once as many requests have been sent as due tells, and ends the
// traffic a little later. Then it looks at who was answered by whom.
func (s *storm) blow(t *testing.T, kinds []string, due func(i int) int64) {
	t.Helper()
	site := newSite(t)
	site.start(t)
	site.up(t)
	s.url = "http://" + site.listen + "/"
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(s.client)
	}
	defer clients.Wait()
	defer s.total.Store(0) // also when a change fails
	c := &changes{site: site, file: 100}
	weights := []api.Weights{{"blue": 100}}
	var took []time.Duration
	for i, kind := range kinds {
		flowing(t, s, due(i))
		s.begun.Add(1)
		current, began := weights[len(weights)-1], time.Now()
		switch kind {
		case "edit":
			current = c.edit(t)
		case "command":
			current = c.command(t)
		case "cutover":
			current = c.flip(t)
			took = append(took, time.Since(began))
		case "reload":
			current = c.reload(t, current)
		}
		weights = append(weights, current)
		s.answered.Add(1)
	}
	flowing(t, s, min(s.total.Load(), s.sent.Load()+1000))
	if s.total.Load() == math.MaxInt64 {
		s.total.Store(0)
	}
	clients.Wait()
	s.judge(t, kinds, weights)
	if len(took) > 0 {
		t.Logf("a cutover took %v in the median, %v at p99", percentile(took, .5), percentile(took, .99))
	}
}

// flowing waits until so many requests have been sent.
func flowing(t *testing.T, s *storm, due int64) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); s.sent.Load() < due; time.Sleep(200 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatal("traffic does not flow")
		}
	}
}

// judge fails the test when a request failed or reached the wrong pool, or when nothing was shown.
func (s *storm) judge(t *testing.T, kinds []string, weights []api.Weights) {
	t.Helper()
	pools, total := make(map[string]int), s.failures
	for at, n := range s.seen {
		pools[at.pool] += n
		total += n
	}
	if s.failures > 0 {
		t.Errorf("%d of %d requests failed, first: %v", s.failures, total, s.first)
	}
	if n, example := s.wrong(append([]string{"start"}, kinds...), weights); n > 0 {
		t.Errorf("%d of %d requests reached a pool without weight, for example: %s", n, total, example)
	}
	t.Logf("%d requests, %d changes, answered by %v", total, len(kinds), pools)
	if pools["blue"] == 0 || pools["green"] == 0 {
		t.Error("a pool answered nothing, so nothing was shown")
	}
}
