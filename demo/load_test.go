package demo

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// run starts a load; stop ends it and waits for its end.
func run(t testing.TB, o LoadOptions) (l *Load, stop func()) {
	t.Helper()
	l, err := NewLoad(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	return l, func() {
		t.Helper()
		cancel()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("the load did not end")
		}
	}
}

// gather adds up windows until ok says that there is enough.
func gather(t testing.TB, l *Load, what string, ok func(*Window) bool) *Window {
	t.Helper()
	sum := &Window{}
	eventually(t, what, func() bool { sum.Add(l.Take()); return ok(sum) })
	return sum
}

func TestLoadCountsWhoAnswers(t *testing.T) {
	blue, green := open(t, "2.4.0", "blue-1"), open(t, "2.5.0", "green-1")
	defer shut(t, blue)
	defer shut(t, green)
	green.SetFault(Fault{Errors: 0.5})
	// Three of four requests go to blue.
	var n atomic.Int64
	c := client(t)
	var users sync.Map
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		users.Store(r.Header.Get("X-User-ID"), true)
		if r.Host != "shop.example.com" {
			t.Errorf("asked for %s", r.Host)
		}
		to := blue
		if n.Add(1)%4 == 0 {
			to = green
		}
		resp, err := c.Get(to.URL() + "/")
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		if _, err := io.Copy(w, resp.Body); err != nil {
			t.Error(err)
		}
	}))
	defer front.Close()

	l, stop := run(t, LoadOptions{
		URL: front.URL, Host: "shop.example.com", Rate: 1000, Clients: 8, Users: 5,
		Pools: map[string]string{"2.4.0": "blue", "2.5.0": "green"},
	})
	sum := gather(t, l, "400 requests", func(w *Window) bool { return w.Total.Requests >= 400 })
	stop()
	sum.Add(l.Take())
	if got := sum.Total.Requests; got != n.Load() {
		t.Errorf("%d requests counted, %d arrived", got, n.Load())
	}
	if s := sum.Share("green"); s < 0.24 || s > 0.26 {
		t.Errorf("share of green = %v, want 0.25", s)
	}
	if c := sum.Pools["green"]; c.Failed < c.Requests/2-1 || c.Failed > c.Requests/2+1 {
		t.Errorf("green failed %d of %d, want half", c.Failed, c.Requests)
	}
	if c := sum.Pools["blue"]; c.Failed != 0 {
		t.Errorf("blue failed %d", c.Failed)
	}
	if sum.Total.Failed != sum.Pools["green"].Failed {
		t.Errorf("failed in all = %d, of green %d", sum.Total.Failed, sum.Pools["green"].Failed)
	}
	p50, p99 := sum.Quantile(0.5), sum.Quantile(0.99)
	if p50 <= 0 || p99 < p50 {
		t.Errorf("p50 = %s, p99 = %s", p50, p99)
	}
	distinct := 0
	users.Range(func(any, any) bool { distinct++; return true })
	if distinct != 5 {
		t.Errorf("%d users, want 5", distinct)
	}
}

func TestLoadCountsWhatNobodyAnswers(t *testing.T) {
	tests := []struct {
		name   string
		handle http.HandlerFunc
	}{
		{"not an upstream", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }},
		{"unknown version", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"version":"9"}`)) }},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.handle)
			defer s.Close()
			l, stop := run(t, LoadOptions{URL: s.URL, Rate: 500, Clients: 4, Users: 1, Pools: map[string]string{"1": "blue"}})
			defer stop()
			w := gather(t, l, "20 requests", func(w *Window) bool { return w.Total.Requests >= 20 })
			if w.Total.Failed != w.Total.Requests || len(w.Pools) != 0 {
				t.Errorf("window %+v, want every request failed and no pool", w)
			}
		})
	}
}

// TestLoadIsNeverStuck puts a server in front that does not answer until the test is over.
func TestLoadIsNeverStuck(t *testing.T) {
	over := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(over)
	l, stop := run(t, LoadOptions{
		URL: s.URL, Rate: 500, Clients: 3, Users: 1, Pools: map[string]string{"1": "blue"}, Timeout: 200 * time.Millisecond,
	})
	w := gather(t, l, "time-outs and missed requests", func(w *Window) bool { return w.Total.Failed >= 3 && w.Missed > 0 })
	if w.Total.Failed != w.Total.Requests {
		t.Errorf("%d of %d failed, want all", w.Total.Failed, w.Total.Requests)
	}
	if p := w.Quantile(0.5); p < 190*time.Millisecond {
		t.Errorf("p50 = %s, want the time-out", p)
	}
	stop()
}

// TestLoadBegin: a request that was sent before Begin does not count, though it ends after.
func TestLoadBegin(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		version := "2"
		if n.Add(1) == 1 {
			version = "1"
			held <- struct{}{}
			<-hold
		}
		_, _ = w.Write([]byte(`{"version":"` + version + `"}`))
	}))
	defer s.Close()
	l, stop := run(t, LoadOptions{URL: s.URL, Rate: 500, Clients: 4, Users: 1, Pools: map[string]string{"1": "blue", "2": "green"}})
	<-held
	l.Begin()
	close(hold)
	sum := gather(t, l, "20 requests", func(w *Window) bool { return w.Total.Requests >= 20 })
	stop()
	sum.Add(l.Take())
	if c := sum.Pools["blue"]; c.Requests != 0 {
		t.Errorf("%d requests of blue, which were sent before", c.Requests)
	}
}

func TestNewLoadRefuses(t *testing.T) {
	good := LoadOptions{URL: "http://127.0.0.1:1/", Rate: 1, Clients: 1, Users: 1}
	tests := []struct {
		name   string
		change func(*LoadOptions)
	}{
		{"no rate", func(o *LoadOptions) { o.Rate = 0 }},
		{"a rate past reason", func(o *LoadOptions) { o.Rate = 1e6 }},
		{"no clients", func(o *LoadOptions) { o.Clients = 0 }},
		{"no users", func(o *LoadOptions) { o.Users = 0 }},
		{"no URL", func(o *LoadOptions) { o.URL = "http://[" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			if _, err := NewLoad(o); err == nil {
				t.Error("no error")
			}
		})
	}
	if _, err := NewLoad(good); err != nil {
		t.Errorf("good options: %v", err)
	}
}
