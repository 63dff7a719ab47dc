//go:build e2e

package e2e

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// receiver is somebody outside who is asked or told, at an address that it keeps while it is down.
type receiver struct {
	address string

	mu     sync.Mutex
	status int // 0: no answer at all
	bodies []map[string]any
	auth   []string
	server *http.Server
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{address: binary.Addr(t), status: http.StatusOK}
	t.Cleanup(r.down)
	return r
}

func (r *receiver) up(t *testing.T) {
	t.Helper()
	ln, err := net.Listen("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	r.mu.Lock()
	r.server = s
	r.mu.Unlock()
	go func() { _ = s.Serve(ln) }()
}

func (r *receiver) down() {
	r.mu.Lock()
	s := r.server
	r.server = nil
	r.mu.Unlock()
	if s != nil {
		s.Close()
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	raw, _ := io.ReadAll(req.Body)
	var body map[string]any
	_ = json.Unmarshal(raw, &body)
	r.mu.Lock()
	status := r.status
	r.bodies = append(r.bodies, body)
	r.auth = append(r.auth, req.Header.Get("Authorization"))
	r.mu.Unlock()
	if status == 0 {
		<-req.Context().Done()
		return
	}
	w.WriteHeader(status)
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// got is a field of each body, in order; what came twice in a row counts once.
func (r *receiver) got(field string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, b := range r.bodies {
		s, _ := b[field].(string)
		all = append(all, s)
	}
	return slices.Compact(all)
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestAnnouncementsKilled: decisions are announced while nobody takes them, the proxy is killed, and after it is back
// so is whoever is to be told: everything arrives, in order.
func TestAnnouncementsKilled(t *testing.T) {
	t.Parallel()
	hooks, chat := newReceiver(t), newReceiver(t)
	slack := secretFile(t, "http://"+chat.address+"/services/hunter2\n")
	r := newTrial(t, `    rollout:
      announce:
        - {post: "http://`+hooks.address+`/deploys", token_file: `+secretFile(t, "s3cret\n")+`}
        - {slack_file: `+slack+`}
`)
	r.start(t)
	r.up(t)
	for i := range 6 {
		began := time.Now()
		if _, err := r.api.Cutover(t.Context(), "web", api.CutoverRequest{To: []string{"green", "blue"}[i%2], Reason: "test"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("cutover %d took %v while nobody could be told", i, took)
		}
	}
	r.proc.Kill()
	hooks.up(t)
	r.start(t)
	var want []string
	for _, e := range r.events(t) {
		if strings.HasPrefix(e.Type, "traffic.") { // decisions are announced, not what happened to targets and the node
			want = append(want, e.Sentence)
		}
	}
	if len(want) < 7 {
		t.Fatalf("remembered are %q", want)
	}
	binary.Within(t, time.Minute, "the webhook was told everything", func() bool { return slices.Equal(hooks.got("sentence"), want) })
	hooks.mu.Lock()
	last, auth := hooks.bodies[len(hooks.bodies)-1], hooks.auth[0]
	hooks.mu.Unlock()
	if last["undo"] != "switchback rollback web" || auth != "Bearer s3cret" || !strings.Contains(last["link"].(string), "/v1/services/web/rollout") {
		t.Errorf("told %v with %q", last, auth)
	}
	chat.up(t) // within a minute of its being back
	binary.Within(t, 80*time.Second, "the chat was told everything", func() bool { return len(chat.got("text")) == len(want) })
	for i, text := range chat.got("text") {
		if !strings.HasPrefix(text, "*web*: "+strings.ReplaceAll(want[i], ">", "&gt;")) {
			t.Errorf("message %d is %q, want %q", i, text, want[i])
		}
	}
	r.proc.Kill()
	r.start(t)
	if _, err := r.api.Pause(t.Context(), "web", api.CommandRequest{Reason: "the last one"}); err != nil {
		t.Fatal(err)
	}
	binary.Within(t, 30*time.Second, "the pause is announced", func() bool {
		got := hooks.got("sentence")
		return strings.Contains(got[len(got)-1], "the last one")
	})
	if got := hooks.got("sentence"); len(got) != len(want)+1 {
		t.Errorf("after a restart told %q again", got)
	}
}

// TestGateKilled: the proxy is killed while a gate is asked. It asks the same question again, and moves traffic
// only after the answer.
func TestGateKilled(t *testing.T) {
	t.Parallel()
	ci := newReceiver(t)
	ci.answer(0)
	ci.up(t)
	r := newTrial(t, `    rollout:
      steps: [{weight: 5, for: 10m}]
      gates: [{at: start, post: "http://`+ci.address+`/smoke", timeout: 10m}]
`)
	r.start(t)
	r.up(t)
	r.begin(t)
	binary.Within(t, 10*time.Second, "the gate is asked", func() bool { return len(ci.got("id")) == 1 })
	r.until(t, 5*time.Second, "it waits for the gate", func(got api.Rollout) bool { return strings.HasPrefix(got.Waiting, "gate start http://127.0.0.1") })
	r.proc.Kill()
	r.start(t)
	if v := r.view(t); v.Weights.InForce["green"] != 0 {
		t.Errorf("%v in force before the gate opened", v.Weights.InForce)
	}
	ci.answer(http.StatusNoContent)
	binary.Within(t, 20*time.Second, "the gate is asked again", func() bool {
		ci.mu.Lock()
		defer ci.mu.Unlock()
		return len(ci.bodies) > 1
	})
	// The question that hung is of the first process; the one of the second may hang too, and ends when its peer goes.
	ci.down()
	ci.up(t)
	r.until(t, 30*time.Second, "the first step", func(got api.Rollout) bool { return got.Weight == 5 })
	if ids := ci.got("id"); len(ids) != 1 || ids[0] != "web/1/1" {
		t.Errorf("asked %v, want one question", ids)
	}
}
