package api_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

// deaf is a server that takes requests and answers none of the first ones.
type deaf struct {
	*httptest.Server
	mu   sync.Mutex
	left int // that get no answer
	seen []string
}

func newDeaf(t *testing.T, unanswered int) *deaf {
	t.Helper()
	d := &deaf{left: unanswered}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d.mu.Lock()
		d.seen = append(d.seen, r.Method+" "+r.URL.String()+" "+string(body)+" "+r.Header.Get("Idempotency-Key"))
		answer := d.left == 0
		d.left = max(0, d.left-1)
		d.mu.Unlock()
		if !answer {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"service": "shop", "revision": 7}`)
	}))
	t.Cleanup(d.Close)
	return d
}

// asked is what the server was asked so far.
func (d *deaf) asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.seen)
}

func impatient(t *testing.T, address string) *api.Client {
	t.Helper()
	c, err := api.NewClient(address, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	api.SetResendPause(c, time.Millisecond)
	return c
}

// A write with a key that got no answer is sent again, the same to the last byte, and in the end given up.
func TestWritesAreSentAgain(t *testing.T) {
	q := api.CutoverRequest{To: "green"}
	const sent = `POST /v1/services/shop/cutover {"to":"green","reason":""} k1`
	s := newDeaf(t, 3)
	c, err := impatient(t, s.URL).Keyed("k1").Cutover(t.Context(), "shop", q)
	if err != nil || c.Revision != 7 || !slices.Equal(s.asked(), []string{sent, sent, sent, sent}) {
		t.Errorf("%+v, %v after %q", c, err, s.asked())
	}

	s = newDeaf(t, 1000)
	if _, err := impatient(t, s.URL).Keyed("").Cutover(t.Context(), "shop", q); !errors.Is(err, api.ErrUnreachable) || len(s.asked()) < 2 {
		t.Errorf("%v after %d tries", err, len(s.asked()))
	}
	for _, line := range s.asked() {
		if line != s.asked()[0] || len(line) < len(sent)+10 {
			t.Errorf("sent %q and then %q", s.asked()[0], line)
		}
	}
	for name, try := range map[string]func(*api.Client) error{
		"without a key": func(c *api.Client) error { _, err := c.Cutover(t.Context(), "shop", q); return err },
		"a read":        func(c *api.Client) error { _, err := c.Keyed("").Plan(t.Context(), "shop"); return err },
		"a dry run":     func(c *api.Client) error { _, err := c.Keyed("").DryRun().Cutover(t.Context(), "shop", q); return err },
	} {
		// net/http sends reads again by itself when a connection that was used before ends: this one was not.
		s = newDeaf(t, 1000)
		if err := try(impatient(t, s.URL)); !errors.Is(err, api.ErrUnreachable) || len(s.asked()) != 1 {
			t.Errorf("%s: %v after %d tries", name, err, len(s.asked()))
		}
	}
}

// Every write of a client has a key of its own unless one is given.
func TestKeysDiffer(t *testing.T) {
	s := newDeaf(t, 0)
	c := impatient(t, s.URL).Keyed("")
	for range 2 {
		if _, err := c.Rollback(t.Context(), "shop", api.CommandRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if s.asked()[0] == s.asked()[1] {
		t.Errorf("twice %q", s.asked()[0])
	}
}

func TestDryRunsAsk(t *testing.T) {
	s := newDeaf(t, 0)
	c := impatient(t, s.URL).Keyed("k").DryRun()
	if _, err := c.Pause(t.Context(), "shop", api.CommandRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Plan(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	want := []string{`POST /v1/services/shop/rollout/pause?dry_run=true {"reason":""} `, "GET /v1/services/shop/plan  "}
	if !slices.Equal(s.asked(), want) {
		t.Errorf("asked %q, want %q", s.asked(), want)
	}
}
