package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Controller that knows the service shop and writes down every command it gets.
type recorder struct {
	err  error         // answers every command when set
	hold chan struct{} // a cutover waits for it, or its context, when set

	file    string // of the configuration
	rollout *api.Rollout
	events  []api.Event
	feed    chan api.Event // behind events, for who follows

	mu      sync.Mutex
	calls   []string
	refused []string
	call    api.Call // the last one

	replayed bool // every answer is an old one
}

func (c *recorder) Refused(by api.Call, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = append(c.refused, by.By+" "+by.From+": "+what)
}

func (c *recorder) note(format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
	return c.err
}

func (c *recorder) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// who notes a call and is the part of it that most tests look at.
func (c *recorder) who(by api.Call) any {
	c.mu.Lock()
	c.call = by
	c.mu.Unlock()
	return struct {
		By, From string
		IfMatch  int64
	}{by.By, by.From, by.IfMatch}
}

func shop() api.Service {
	return api.Service{
		Name: "shop", Revision: 42, Why: "file",
		Weights: api.Layers{File: api.Weights{"blue": 100}, InForce: api.Weights{"blue": 100}},
		Pools:   map[string]api.Pool{}, Order: []string{"blue", "green"}, Durable: true,
	}
}

func (c *recorder) Overview() api.Overview {
	return api.Overview{
		Node: api.Node{
			Version: "test", Config: api.Config{File: c.file},
			Connections: api.Connections{Fast: 12, General: 3, Handovers: map[string]int64{"upgrade": 2}},
		},
		Services: []api.Service{shop()},
	}
}

func (c *recorder) Service(name string) (api.Service, error) {
	if name == "broken" {
		return api.Service{}, fmt.Errorf("the secret is at %s", "/etc/passwd")
	}
	if name != "shop" {
		return api.Service{}, api.Problem(api.TypeNotFound, "There is no service %q.", name)
	}
	s := shop()
	s.Rollout = c.rollout
	return s, nil
}

func change() api.Change {
	return api.Change{Service: "shop", Revision: 43, Changed: true, Weights: api.Weights{"green": 100}, Durable: true}
}

// change is the answer to every command.
func (c *recorder) change() api.Change {
	answer := change()
	answer.Replayed = c.replayed
	return answer
}

func (c *recorder) SetWeights(_ context.Context, s string, q api.WeightsRequest, by api.Call) (api.Change, error) {
	return c.change(), c.note("weights %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) DropIntent(_ context.Context, s string, q api.CommandRequest, by api.Call) (api.Change, error) {
	return c.change(), c.note("drop %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) Cutover(ctx context.Context, s string, q api.CutoverRequest, by api.Call) (api.Change, error) {
	err := c.note("cutover %s %+v %+v", s, q, c.who(by))
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return api.Change{}, context.Cause(ctx)
		}
	}
	return c.change(), err
}

func (c *recorder) Rollback(_ context.Context, s string, q api.CommandRequest, by api.Call) (api.Change, error) {
	return c.change(), c.note("rollback %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) Pause(_ context.Context, s string, q api.CommandRequest, by api.Call) (api.Change, error) {
	return c.change(), c.note("pause %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) Resume(_ context.Context, s string, q api.CommandRequest, by api.Call) (api.Change, error) {
	return c.change(), c.note("resume %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) StartRollout(_ context.Context, s string, q api.StartRequest, by api.Call) (api.Change, error) {
	answer := c.change()
	answer.Changed, answer.DryRun = q.To != "again", by.DryRun
	return answer, c.note("start %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) Promote(_ context.Context, s string, q api.PromoteRequest, by api.Call) (api.Change, error) {
	return c.change(), c.note("promote %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) Approve(_ context.Context, s string, q api.CommandRequest, by api.Call) (api.Change, error) {
	return c.change(), c.note("approve %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) StepBack(_ context.Context, s string, q api.CommandRequest, by api.Call) (api.Change, error) {
	return c.change(), c.note("step-back %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) OpenGate(_ context.Context, s string, q api.OpenGateRequest, by api.Call) (api.Change, error) {
	return c.change(), c.note("open-gate %s %+v %+v", s, q, c.who(by))
}

func (c *recorder) Plan(_ context.Context, s string) (api.Plan, error) {
	return api.Plan{Service: s, Rate: 5}, c.err
}

func (c *recorder) Events(_ context.Context, service, after string) ([]api.Event, error) {
	var some []api.Event
	for _, e := range c.events {
		if (service == "" || e.Service == service) && e.ID > after {
			some = append(some, e)
		}
	}
	return some, c.err
}

// Follow sends the events and then the feed. Closing the feed is a reader that was too slow.
func (c *recorder) Follow(ctx context.Context, after string) (<-chan api.Event, error) {
	old, err := c.Events(ctx, "", after)
	if err != nil {
		return nil, err
	}
	out := make(chan api.Event)
	go func() {
		defer close(out)
		for _, e := range old {
			select {
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
		for {
			select {
			case e, ok := <-c.feed:
				if !ok {
					return
				}
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

func (c *recorder) Reload(_ context.Context, by api.Call) (api.Reload, error) {
	return api.Reload{Digest: "d", Changed: true, DryRun: by.DryRun, Replayed: c.replayed}, c.note("reload %+v", c.who(by))
}

// bench is a Server over a recorder, with its log.
type bench struct {
	*recorder
	server *Server
	logs   *observer.ObservedLogs
}

func newBench(t testing.TB, edit ...func(*Deps)) *bench {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	b := &bench{recorder: &recorder{}, logs: logs}
	d := Deps{
		Config:     config.Admin{Address: "127.0.0.1:9900", Hosts: []string{"switchback.internal"}},
		Controller: b.recorder,
		Metrics:    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metric 1\n") }),
		Log:        zap.New(core),
	}
	for _, f := range edit {
		f(&d)
	}
	s, err := New(d)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	b.server = s
	return b
}

const (
	operatorSecret = "operator-secret-0123456789"
	viewerSecret   = "viewer-secret-0123456789"
)

// withTokens configures an operator ci and a viewer eye, whose files are in the folder it returns.
func withTokens(t testing.TB) (dir string, edit func(*Deps)) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "ci"), operatorSecret+"\n")
	write(t, filepath.Join(dir, "eye"), viewerSecret)
	return dir, func(d *Deps) {
		d.Config.Tokens = []config.Token{
			{Name: "ci", Role: config.Operator, File: filepath.Join(dir, "ci")},
			{Name: "eye", Role: config.Viewer, File: filepath.Join(dir, "eye")},
		}
	}
}

func write(t testing.TB, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ask sends one request through the handler. Each header is "Name: value"; Host counts as one.
func (b *bench) ask(t testing.TB, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, content)
	r.Host, r.RemoteAddr = "127.0.0.1:9900", "127.0.0.1:54321"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		switch name {
		case "Host":
			r.Host = value
			continue
		case "Remote": // no field: the peer's address
			r.RemoteAddr = value
			continue
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	b.server.ServeHTTP(w, r)
	return w
}

const jsonBody = "Content-Type: application/json"

// wantProblem checks an answer against a status and a part of its detail.
func wantProblem(t testing.TB, w *httptest.ResponseRecorder, status int, detail string) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status = %d, want %d; body %s", w.Code, status, w.Body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q, want application/problem+json", got)
	}
	var p api.Error
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("the problem is not JSON: %v: %s", err, w.Body)
	}
	if p.Status != status || p.Type == "" || p.Title == "" {
		t.Errorf("problem = %+v, want status %d, a type and a title", p, status)
	}
	if !strings.Contains(p.Detail, detail) {
		t.Errorf("detail = %q, want it to contain %q", p.Detail, detail)
	}
}
