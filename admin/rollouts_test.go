package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

func TestStartSaysWhereToLook(t *testing.T) {
	b := newBench(t)
	w := b.ask(t, "POST", "/v1/services/sh%6Fp/rollout", `{"to": "green", "reason": "r"}`, jsonBody)
	if w.Code != http.StatusCreated || w.Header().Get("Location") != "/v1/services/shop/rollout" || w.Header().Get("ETag") != `"43"` {
		t.Errorf("status %d, Location %q, ETag %s, want 201, the rollout and the revision",
			w.Code, w.Header().Get("Location"), w.Header().Get("ETag"))
	}
	if got := b.seen(); len(got) != 1 || !strings.HasPrefix(got[0], "start shop {To:green Reason:r}") {
		t.Errorf("the controller saw %q", got)
	}
	if done := b.logs.All()[0].ContextMap(); done["reason"] != "r" || done["rev"] != int64(43) {
		t.Errorf("logged %v, want the reason and the revision", done)
	}

	// A rollout that runs already is no new one.
	w = b.ask(t, "POST", "/v1/services/shop/rollout", `{"to": "again"}`, jsonBody)
	if w.Code != http.StatusOK || w.Header().Get("Location") != "" {
		t.Errorf("status %d, Location %q, want 200 without one", w.Code, w.Header().Get("Location"))
	}

	b.err = api.Problem(api.TypeRolloutInProgress, "A rollout of 2.5.0 is in progress.")
	wantProblem(t, b.ask(t, "POST", "/v1/services/shop/rollout", "{}", jsonBody), http.StatusConflict, "in progress")
}

// at is a time in the life of a rollout.
func at(minute int) time.Time { return time.Date(2026, 1, 2, 15, minute, 0, 0, time.UTC) }

// lived are the events of two rollouts with a cutover between them.
func lived() []api.Event {
	return []api.Event{
		{ID: "01", At: at(1), Service: "shop", Type: "rollout.started", Rollout: "a", Version: "2.5.0", Step: 1, Sentence: "began"},
		{ID: "02", At: at(2), Service: "web", Type: "traffic.weights"},
		{ID: "03", At: at(3), Service: "shop", Type: "rollout.rolled_back", Rollout: "a", Sentence: "it failed"},
		{ID: "04", At: at(4), Service: "shop", Type: "traffic.cutover"},
		{ID: "05", At: at(5), Service: "shop", Type: "rollout.started", Rollout: "b", Version: "2.6.0", Step: 1},
		{ID: "06", At: at(6), Service: "shop", Type: "rollout.step", Rollout: "b", Version: "2.6.0", Step: 2, Sentence: "proven"},
	}
}

func TestRollout(t *testing.T) {
	b := newBench(t)
	wantProblem(t, b.ask(t, "GET", "/v1/services/shop/rollout", ""), http.StatusNotFound, "No rollout ever ran on shop")
	wantProblem(t, b.ask(t, "GET", "/v1/services/shap/rollout", ""), http.StatusNotFound, "no service")
	b.rollout = &api.Rollout{ID: "b", Phase: api.PhaseStepping, Step: 2}
	w := b.ask(t, "GET", "/v1/services/shop/rollout", "")
	var got api.Rollout
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.ID != "b" || got.Step != 2 || w.Header().Get("ETag") != `"42"` {
		t.Errorf("rollout = %+v, ETag %s, error %v", got, w.Header().Get("ETag"), err)
	}
}

func TestPastRollouts(t *testing.T) {
	b := newBench(t)
	b.events = lived()
	b.rollout = &api.Rollout{ID: "b", Version: "2.6.0", Phase: api.PhaseStepping, Sentence: "proven", Began: at(5), Since: at(6)}
	var got api.Rollouts
	if err := json.Unmarshal(b.ask(t, "GET", "/v1/services/shop/rollouts", "").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rollouts) != 2 {
		t.Fatalf("%d rollouts, want 2: %+v", len(got.Rollouts), got)
	}
	first, second := got.Rollouts[0], got.Rollouts[1]
	if first.ID != "a" || first.Version != "2.5.0" || first.Phase != api.PhaseRolledBack || first.Sentence != "it failed" ||
		!first.Began.Equal(at(1)) || first.Ended == nil || !first.Ended.Equal(at(3)) || len(first.Events) != 2 {
		t.Errorf("first = %+v", first)
	}
	if second.ID != "b" || second.Phase != api.PhaseStepping || second.Ended != nil || len(second.Events) != 2 {
		t.Errorf("second = %+v", second)
	}

	var one api.PastRollout
	if err := json.Unmarshal(b.ask(t, "GET", "/v1/services/shop/rollouts/a", "").Body.Bytes(), &one); err != nil || one.ID != "a" {
		t.Errorf("rollout a = %+v, error %v", one, err)
	}
	wantProblem(t, b.ask(t, "GET", "/v1/services/shop/rollouts/c", ""), http.StatusNotFound, `"c"`)
	wantProblem(t, b.ask(t, "GET", "/v1/services/shap/rollouts", ""), http.StatusNotFound, "no service")
}

// A rollout whose events are forgotten is still told by the service.
func TestPastRolloutWithoutEvents(t *testing.T) {
	past := group(nil, &api.Rollout{ID: "z", Version: "1", Phase: api.PhasePromoted, Began: at(1), Since: at(2)})
	if len(past) != 1 || past[0].ID != "z" || past[0].Ended == nil || !past[0].Ended.Equal(at(2)) || past[0].Events == nil {
		t.Errorf("past = %+v", past)
	}
	if none := group(nil, nil); none == nil || len(none) != 0 {
		t.Errorf("none = %#v, want an empty list", none)
	}
}

func TestPlan(t *testing.T) {
	b := newBench(t)
	if body := b.ask(t, "GET", "/v1/services/shop/plan", "").Body.String(); !strings.Contains(body, `"rate":5`) {
		t.Errorf("plan = %s", body)
	}
	b.err = errors.New("no numbers")
	wantProblem(t, b.ask(t, "GET", "/v1/services/shop/plan", ""), http.StatusInternalServerError, "")
	wantProblem(t, b.ask(t, "GET", "/v1/services/shop/rollouts", ""), http.StatusInternalServerError, "")
}
