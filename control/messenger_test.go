package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/internal/memnet"
	"github.com/switchback-proxy/switchback/notify"
	"github.com/switchback-proxy/switchback/outbound"
	"go.uber.org/zap"
)

// outsideWorld is pipelines and people behind a network, asked and told through the real client. A host answers what
// it was made to; one that nobody serves refuses connections.
type outsideWorld struct {
	net *memnet.Network
	*notify.Client

	mu     sync.Mutex
	status map[string]int           // by host; 0: no answer at all
	asked  []notify.Question        // in order
	told   map[string][]string      // sentences, by host
	ids    map[string][]string      // of what was told, by host
	gone   []string                 // hosts whose question ended before its answer
	bodies []map[string]any         // of what was told
	delay  map[string]time.Duration // before an answer, by host
}

func newOutside(t *testing.T, hosts ...string) *outsideWorld {
	t.Helper()
	w := &outsideWorld{
		net: memnet.New(), status: map[string]int{}, told: map[string][]string{}, ids: map[string][]string{}, delay: map[string]time.Duration{},
	}
	out := outbound.New(outbound.Options{
		Dial: w.net.DialContext,
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr(addresses[host])}, nil
		},
	})
	w.Client = notify.New(out, zap.NewNop())
	t.Cleanup(out.Close)
	for _, host := range hosts {
		w.serve(t, host)
	}
	return w
}

// addresses are those of the hosts outside.
var addresses = map[string]string{"ci": "203.0.113.1", "hooks": "203.0.113.2", "chat": "203.0.113.3"}

func (w *outsideWorld) serve(t *testing.T, host string) {
	t.Helper()
	w.answer(host, http.StatusOK)
	ln, err := w.net.Listen(addresses[host] + ":80")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: w}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(ln) }()
	t.Cleanup(func() { s.Close(); <-done })
}

// answer makes a host answer so from now on.
func (w *outsideWorld) answer(host string, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status[host] = status
}

func (w *outsideWorld) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.mu.Lock()
	status, delay := w.status[r.Host], w.delay[r.Host]
	if r.URL.Path == "/gate" {
		var q notify.Question
		_ = json.Unmarshal(body, &q)
		w.asked = append(w.asked, q)
	} else if status == http.StatusOK {
		var a notify.Announcement
		_ = json.Unmarshal(body, &a)
		w.told[r.Host] = append(w.told[r.Host], a.Sentence)
		w.ids[r.Host] = append(w.ids[r.Host], a.ID)
		var raw map[string]any
		_ = json.Unmarshal(body, &raw)
		w.bodies = append(w.bodies, raw)
	}
	w.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		w.mu.Lock()
		w.gone = append(w.gone, r.Host)
		w.mu.Unlock()
		return
	}
	time.Sleep(delay)
	rw.WriteHeader(status)
}

func (w *outsideWorld) questions() []notify.Question {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]notify.Question(nil), w.asked...)
}

// heard is the sentences that a host was told.
func (w *outsideWorld) heard(host string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.told[host]...)
}

func (w *outsideWorld) heardIDs(host string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.ids[host], " ")
}

// with is the option that connects a node to it.
func (w *outsideWorld) with(o *Options) { o.Messenger = w.Client }

func gates(at ...config.GateAt) func(*config.Rollout) {
	return func(r *config.Rollout) {
		for _, a := range at {
			r.Gates = append(r.Gates, config.Gate{At: a, Post: "http://ci/gate", Timeout: 3 * time.Minute})
		}
	}
}

func announcing(hosts ...string) func(*config.Rollout) {
	return func(r *config.Rollout) {
		for _, host := range hosts {
			r.Announce = append(r.Announce, config.Announce{Post: "http://" + host + "/deploys"})
		}
	}
}
