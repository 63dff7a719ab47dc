package rollout

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// TestProperties plays random events and checks after each what must always hold.
func TestProperties(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := &random{Rand: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0)}
			r.edit()
			s, _, err := Step(r.svc, State{}, File{At: r.now})
			if err != nil {
				t.Fatal(err)
			}
			var seen rolloutsSeen
			for range 200 {
				r.now = r.now.Add(time.Minute)
				e := r.event(s)
				next := checkedStep(t, r.svc, s, e)
				seen.check(t, r.svc, s, next, e)
				s = next
			}
		})
	}
}

func checkedStep(t *testing.T, svc *config.Service, s State, e Event) State {
	t.Helper()
	was, svcWas := mustEncode(t, s), fmt.Sprintf("%+v", *svc)
	next, actions, err := Step(svc, s, e)
	if got := mustEncode(t, s); got != was {
		t.Fatalf("%+v changed its argument:\n%s\n%s", e, was, got)
	}
	if got := fmt.Sprintf("%+v", *svc); got != svcWas {
		t.Fatalf("%+v changed the service", e)
	}
	if err != nil {
		if refusal := (*Refusal)(nil); !errors.As(err, &refusal) {
			t.Fatalf("%+v: %v", e, err)
		}
		if mustEncode(t, next) != was || len(actions) > 0 {
			t.Fatalf("%+v was refused and changed something", e)
		}
		return next
	}
	checkActions(t, s, next, actions)
	checkState(t, svc, next)
	checkRollback(t, svc, s, next, e)
	again, actions, err := Step(svc, next, e)
	if _, isFile := e.(File); isFile && !e.(File).Lost {
		if err != nil || len(actions) > 0 || mustEncode(t, again) != mustEncode(t, next) {
			t.Fatalf("the same file twice: %v, %d actions", err, len(actions))
		}
	}
	return next
}

func checkState(t *testing.T, svc *config.Service, s State) {
	t.Helper()
	decoded, err := Decode([]byte(mustEncode(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(decoded, s) {
		t.Fatalf("JSON round trip: got\n%+v want\n%+v", decoded, s)
	}
	for name, w := range s.InForce() {
		if svc.Pool(name) == nil || w <= 0 {
			t.Fatalf("%s has %v in force", name, w)
		}
	}
	if svc.Pool(s.Baseline) == nil {
		t.Fatalf("baseline %q is not a pool", s.Baseline)
	}
	if sole := s.InForce().Sole(); sole != "" && sole != s.Baseline && s.Running() == nil {
		t.Fatalf("%s has everything, baseline is %s", sole, s.Baseline)
	}
	if s.Intent != nil && s.Intent.Weights.Equal(s.Basis) {
		t.Fatal("the intent says what the file says")
	}
	if s.Paused == nil && !s.Basis.Equal(svc.Weights) {
		t.Fatalf("not paused and the file's %v are not taken over: %v", svc.Weights, s.Basis)
	}
	if len(s.Recent) > keep {
		t.Fatalf("%d decisions kept", len(s.Recent))
	}
}

// checkRollback rolls back after every move and expects the traffic from before it.
func checkRollback(t *testing.T, svc *config.Service, before, after State, e Event) {
	t.Helper()
	if f, ok := e.(File); ok && f.Lost {
		return
	}
	c, _ := e.(Commanded)
	if before.InForce().Equal(after.InForce()) {
		unbegun := before.Running() != nil && before.Rollout.Unbegun && after.Running() == nil
		if !unbegun && !reflect.DeepEqual(traffic(before.Previous), traffic(after.Previous)) {
			t.Fatalf("%+v moved nothing and changed what a rollback means", e)
		}
		return
	}
	if c.Verb == VerbRollback || checkedByRollout(before, after) {
		return
	}
	undo := Commanded{Verb: VerbRollback, At: time.Unix(2e9, 0), By: "ann", Reason: "test", Force: true}
	undone, _, err := Step(svc, after, undo)
	if before.gone(svc, before.InForce()) != "" {
		if err == nil {
			t.Fatal("rolled back to a pool that is gone")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if !undone.InForce().Equal(before.InForce()) {
		t.Fatalf("%+v rolled back to %v, not %v", e, undone.InForce(), before.InForce())
	}
	baseline := cmp.Or(before.InForce().Sole(), before.Baseline) // a rollout at 100 % has not given the role away yet
	if svc.Pool(baseline) != nil && undone.Baseline != baseline {
		t.Fatalf("rolled back to baseline %s, not %s", undone.Baseline, baseline)
	}
	if c.Verb != "" && c.Verb != VerbResume && (undone.Intent == nil) != (before.Intent == nil) {
		t.Fatalf("%+v rolled back to another layer", e)
	}
	twice, actions, err := Step(svc, undone, undo)
	if err != nil || len(actions) > 0 || mustEncode(t, twice) != mustEncode(t, undone) {
		t.Fatalf("a second rollback did something: %v", err)
	}
}

func mustEncode(t *testing.T, s State) string {
	t.Helper()
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type random struct {
	*rand.Rand
	svc *config.Service
	now time.Time
}

var poolsToDraw = []string{"blue", "green", "canary", "next"}

// edit is a new file: some pools, in any order, with weights.
func (r *random) edit() {
	svc := &config.Service{Name: "shop"}
	for _, i := range r.Perm(len(poolsToDraw))[:1+r.IntN(len(poolsToDraw))] {
		svc.Pools = append(svc.Pools, config.Pool{Name: poolsToDraw[i], Version: fmt.Sprint(r.IntN(3))})
	}
	if keepWeights := r.svc; keepWeights != nil && r.IntN(2) == 0 {
		svc.Weights = keepWeights.Weights
		for name := range svc.Weights {
			if svc.Pool(name) == nil {
				svc.Pools = append(svc.Pools, config.Pool{Name: name})
			}
		}
	} else {
		svc.Weights = r.weights(svc)
	}
	svc.Rollout = r.plan()
	r.svc = svc
}

func (r *random) weights(svc *config.Service) config.Weights {
	w, left := config.Weights{}, config.Full
	for i, p := range svc.Pools {
		share := left
		if i < len(svc.Pools)-1 {
			share = []config.Weight{0, left, config.Weight(r.IntN(int(left) + 1))}[r.IntN(3)]
		}
		w[p.Name], left = share, left-share
	}
	return w
}

func (r *random) event(s State) Event {
	if r.IntN(2) == 0 {
		return r.ofTheLeader(s)
	}
	if r.IntN(5) == 0 {
		was := r.svc
		r.edit()
		if r.IntN(4) > 0 { // a rollout mostly lives on
			r.svc.Weights = was.Weights
			r.svc.Pools = append([]config.Pool(nil), was.Pools...)
			r.svc.Pools[r.IntN(len(was.Pools))].Version = fmt.Sprint(r.IntN(4))
		} else if r.IntN(3) > 0 { // a refused edit would leave the file and the state apart: mostly keep the pools
			r.svc.Pools = append([]config.Pool(nil), was.Pools...)
			r.svc.Weights = r.weights(r.svc)
		}
		return File{At: r.now, Lost: r.IntN(20) == 0}
	}
	c := Commanded{At: r.now, By: "ann", Facts: Facts{}, Force: r.IntN(4) == 0}
	if r.IntN(2) == 0 {
		c.Reason = "because"
	}
	for _, p := range r.svc.Pools {
		c.Facts[p.Name] = Ready{Up: r.IntN(3), NotUp: make([]Target, r.IntN(2))}
	}
	verbs := []Verb{
		VerbWeights, VerbDrop, VerbCutover, VerbCutover, VerbRollback, VerbPause, VerbResume, VerbResume,
		VerbStart, VerbStart, VerbStart, VerbPromote, VerbPromote, VerbApprove, VerbStepBack, VerbOpenGate,
	}
	c.Verb = verbs[r.IntN(len(verbs))]
	c.Weights, c.Full = r.weights(r.svc), r.IntN(4) == 0
	names := []string{"blue", "green", "canary", "next", "live", "idle", "candidate"}
	c.To = names[r.IntN(len(names))]
	if r.IntN(3) == 0 {
		c.From = names[r.IntN(len(names))]
	}
	return c
}
