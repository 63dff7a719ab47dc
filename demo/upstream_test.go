package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func open(t testing.TB, version, target string) *Upstream {
	t.Helper()
	u, err := OpenUpstream(version, target)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func shut(t testing.TB, u *Upstream) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := u.Close(ctx); err != nil {
		t.Error(err)
	}
}

// client has connections of its own, so that closing them leaves no goroutine to another test.
func client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func get(t testing.TB, c *http.Client, url string) (int, Answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var a Answer
	if resp.Header.Get("Content-Type") == "application/json" {
		if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode, a
}

func TestUpstreamAnswers(t *testing.T) {
	u := open(t, "2.4.0", "blue-1")
	defer shut(t, u)
	c := client(t)
	if !strings.HasPrefix(u.URL(), "http://127.0.0.1:") {
		t.Errorf("URL = %q, want an address on 127.0.0.1", u.URL())
	}
	if status, a := get(t, c, u.URL()+"/"); status != 200 || a != (Answer{Version: "2.4.0", Target: "blue-1"}) {
		t.Errorf("GET / = %d %+v", status, a)
	}
	u.SetFault(Fault{Errors: 1})
	if status, a := get(t, c, u.URL()+"/"); status != 500 || a.Version != "2.4.0" || a.Error == "" {
		t.Errorf("GET / of a broken version = %d %+v", status, a)
	}
	if status, _ := get(t, c, u.URL()+"/healthz"); status != 200 {
		t.Errorf("GET /healthz of a broken version = %d, want 200", status)
	}
	if u.Served() != 2 {
		t.Errorf("Served = %d, want the two of GET /", u.Served())
	}
}

func TestUpstreamFailsTheShareItIsAskedFor(t *testing.T) {
	u := open(t, "2.5.0", "green-1")
	defer shut(t, u)
	c := client(t)
	u.SetFault(Fault{Errors: 0.05})
	failed := 0
	for range 200 {
		if status, _ := get(t, c, u.URL()+"/"); status == 500 {
			failed++
		}
	}
	if failed < 9 || failed > 10 {
		t.Errorf("%d of 200 failed, want 5 %%", failed)
	}
	u.SetFault(Fault{})
	if status, _ := get(t, c, u.URL()+"/"); status != 200 {
		t.Errorf("status %d after the fault was lifted", status)
	}
}

func TestUpstreamIsLate(t *testing.T) {
	u := open(t, "2.5.0", "green-1")
	defer shut(t, u)
	u.SetFault(Fault{Latency: 30 * time.Millisecond})
	began := time.Now()
	get(t, client(t), u.URL()+"/")
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("answered after %s, want at least the added latency", took)
	}
}

func TestUpstreamHangs(t *testing.T) {
	u := open(t, "2.5.0", "green-1")
	c := client(t)
	u.SetFault(Fault{Hang: 0.5})
	answered, hung := make(chan bool, 1), 0
	for range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.URL()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			resp, err := c.Do(req)
			if err == nil {
				err = resp.Body.Close()
			}
			answered <- err == nil
		}()
		select {
		case ok := <-answered:
			if !ok {
				t.Error("a request was refused instead of hanging")
			}
		case <-time.After(100 * time.Millisecond):
			hung++
			cancel()
			<-answered
		}
		cancel()
	}
	if hung < 2 {
		t.Errorf("%d of 4 requests hung, want half", hung)
	}
	u.SetFault(Fault{Hang: 1})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.URL()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, err := c.Do(req) //nolint:bodyclose // there is none
		answered <- err == nil
	}()
	shut(t, u) // fails when a request that hangs keeps it from ending
	if <-answered {
		t.Error("it was answered in the end")
	}
}

func TestUpstreamEndsEventStreams(t *testing.T) {
	u := open(t, "2.4.0", "blue-1")
	c := client(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.URL()+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != `data: {"version":"2.4.0","target":"blue-1"}` {
		t.Fatalf("first line %q, %v", lines.Text(), lines.Err())
	}
	shut(t, u) // fails when the stream keeps it from ending
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream broke off: %v", err)
	}
}

func TestUpstreamCloseIsBounded(t *testing.T) {
	u := open(t, "2.4.0", "blue-1")
	u.SetFault(Fault{Latency: 10 * time.Second})
	c := client(t)
	asked := make(chan error, 1)
	go func() {
		resp, err := c.Get(u.URL() + "/")
		if err == nil {
			err = resp.Body.Close()
		}
		asked <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	// Whether the request arrives before Close or is refused by it, both have to end long before the fault.
	if err := u.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close = %v", err)
	}
	if err := <-asked; err == nil {
		t.Error("a request that takes 10 s was answered")
	}
}
