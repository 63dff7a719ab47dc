package control

import (
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/store/memory"
)

const guarded = `
flags:
  checkout:
    strategy: percentage
    value: 0
    users: [alice]
    rollout: {service: shop, steps: [{weight: 5, approve: true}, 50], checks: {errors: {max_increase: 0.5}}}
`

// percentage demands how many percent of the users have the flag.
func (n *node) percentage(want config.Weight) {
	n.t.Helper()
	if got := n.swapper.last().Flags.Flag("checkout").Value; got != want {
		n.t.Fatalf("%v have the flag, want %v\n%s", got, want, n.flagStory())
	}
}

func (n *node) flagService() api.Service {
	n.t.Helper()
	s, err := n.Service("flag:checkout")
	if err != nil {
		n.t.Fatal(err)
	}
	return s
}

func (n *node) flagStory() string {
	events, _ := n.Events(n.t.Context(), "flag:checkout", "")
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.Type + ": " + e.Sentence + "\n")
	}
	return b.String()
}

// flagUntil waits for a phase of the flag's rollout, and what it waits for.
func (n *node) flagUntil(phase, awaits string, most time.Duration) {
	n.t.Helper()
	for began := time.Now(); ; time.Sleep(time.Second) {
		r := n.flagService().Rollout
		if r != nil && r.Phase == phase && r.Awaits == awaits {
			return
		}
		if time.Since(began) > most {
			n.t.Fatalf("after %v the rollout is %+v, want %s %s\n%s", most, r, phase, awaits, n.flagStory())
		}
	}
}

// A flag that does no harm climbs: a person says the first percentage and the next one, the judge the rest.
func TestFlagClimbs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		count := &counter{}
		st := memory.New()
		n := lead(t, st, flagFile(t, guarded), newWorld(500), func(o *Options) { o.Count = count })
		warm()
		n.percentage(0)
		if c := n.setFlag("checkout", `{"strategy":"percentage","value":5}`); !c.Changed || c.Service != "flag:checkout" {
			t.Errorf("answered %+v", c)
		}
		n.percentage(500)
		n.says("checkout", "5 % of the users, 1 by name")
		n.flagUntil(api.PhaseStepping, api.AwaitsApproval, time.Hour)
		r := n.flagService().Rollout
		if c := r.Checks[0]; c.Candidate.Requests == 0 || c.Baseline.Requests < 10*c.Candidate.Requests || c.Verdict != "pass" {
			t.Errorf("judged %+v", c)
		}
		n.setFlag("checkout", `{"strategy":"percentage","value":50}`)
		n.percentage(5000)
		n.flagUntil(api.PhasePromoted, "", time.Hour)
		n.percentage(config.Full)
		if count.judged("on") == 0 || count.judged("off") == 0 {
			t.Error("nothing was judged")
		}
		n.stop()
		again := lead(t, st, flagFile(t, guarded), newWorld(500))
		again.percentage(config.Full)
		n.checkSwaps()
	})
}

// A flag that does harm goes back by itself, wherever its users are sent, and stays back.
func TestFlagGoesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(500)
		w.change("on", func(b *behavior) { b.fails = 0.1 })
		st := memory.New()
		n := lead(t, st, flagFile(t, guarded), w)
		warm()
		n.setFlag("checkout", `{"strategy":"percentage","value":5}`)
		n.flagUntil(api.PhaseRolledBack, "", 5*time.Minute)
		n.percentage(0)
		n.says("checkout", "0 % of the users, 1 by name")
		s := n.flagService()
		if s.Failed != "on" || !strings.Contains(s.Rollout.Sentence, "rolled back") {
			t.Errorf("failed %q, %s", s.Failed, s.Rollout.Sentence)
		}
		n.stop()
		again := lead(t, st, flagFile(t, guarded), w)
		again.percentage(0)
	})
}

// What a percentage set by hand does depends on where the rollout is.
func TestFlagShares(t *testing.T) {
	type set struct {
		json, want string
	}
	tests := []struct {
		name string
		sets []set
	}{
		{"start, promote, step back", []set{{"5", "stepping 5"}, {"5", "stepping 5"}, {"50", "stepping 50"}, {"5", "stepping 5"}}},
		{"all", []set{{"5", "stepping 5"}, {"all", "promoted 100"}}},
		{"none", []set{{"5", "stepping 5"}, {"none", "rolled_back 0"}, {"5", "stepping 5"}}},
		{"by hand", []set{{"20", "none 20"}, {"50", "none 50"}, {"none", "none 0"}, {"all", "none 100"}, {"none", "none 0"}}},
		{"no step", []set{{"5", "stepping 5"}, {"20", "rollout-in-progress"}}},
		{"users", []set{{`users","users":["bob"],"x":"`, "invalid"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := lead(t, memory.New(), flagFile(t, guarded), newWorld(0))
				for _, s := range tt.sets {
					definition := `{"strategy":"` + s.json + `"}`
					if s.json[0] >= '0' && s.json[0] <= '9' {
						definition = `{"strategy":"percentage","value":` + s.json + `}`
					}
					_, err := n.SetFlag(t.Context(), "checkout", short(definition), ci)
					got := "none"
					if r := n.flagService().Rollout; r != nil {
						got = r.Phase
					}
					got += " " + strings.TrimSuffix(n.swapper.last().Flags.Flag("checkout").Value.String(), " %")
					if p, ok := err.(*api.Error); ok { //nolint:errorlint // as the API has it
						got = p.Type
					}
					if got != s.want {
						t.Errorf("after %s: %s, want %s (%v)", s.json, got, s.want, err)
					}
				}
			})
		})
	}
}

// A drop returns to the file's percentage; a rollout that runs is not ended by the way.
func TestFlagShareDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := lead(t, memory.New(), flagFile(t, guarded), newWorld(0))
		drop := func(match string) (api.FlagChange, error) {
			return n.DropFlag(t.Context(), "checkout", api.FlagRequest{Reason: "test", IfMatch: match}, ci)
		}
		n.setFlag("checkout", `{"strategy":"percentage","value":20}`)
		_, err := drop("0-other")
		refused(t, err, api.TypeStaleRevision)
		n.percentage(2000)
		f, err := n.Flag("checkout")
		if err != nil {
			t.Fatal(err)
		}
		if c, err := drop(f.Tag); err != nil || !c.Changed || c.Layer != "file" || c.Set != nil {
			t.Errorf("dropped: %+v, %v", c, err)
		}
		n.percentage(0)
		if c, err := drop(""); err != nil || c.Changed {
			t.Errorf("dropped again: %+v, %v", c, err)
		}
		n.setFlag("checkout", `{"strategy":"percentage","value":5}`)
		_, err = drop("")
		refused(t, err, api.TypeRolloutInProgress)
		n.percentage(500)
	})
}

// What was set before the file gave the flag a rollout is dropped with its percentage.
func TestFlagShareDroppedWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := lead(t, memory.New(), flagFile(t, "flags: {checkout: {strategy: percentage, value: 0, users: [alice]}}"), newWorld(0))
		n.setFlag("checkout", `{"users":["bob","carol"]}`)
		n.apply(flagFile(t, guarded))
		n.says("checkout", "0 % of the users, 2 by name")
		if c, err := n.DropFlag(t.Context(), "checkout", api.FlagRequest{Reason: "test"}, ci); err != nil || !c.Changed || c.Layer != "file" {
			t.Errorf("dropped: %+v, %v", c, err)
		}
		n.says("checkout", "0 % of the users, 1 by name")
	})
}

// A killed flag is judged no more, says so, and goes on where it was.
func TestFlagKilledWhileJudged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := lead(t, memory.New(), flagFile(t, guarded), newWorld(300))
		warm()
		n.setFlag("checkout", `{"strategy":"percentage","value":5}`)
		rest(10 * time.Second)
		if _, err := n.KillFlag(t.Context(), "checkout", api.FlagRequest{}, ci); err != nil {
			t.Fatal(err)
		}
		rest(5 * time.Second)
		before := n.flagService().Rollout.Checks[0].Candidate.Requests
		rest(time.Minute)
		if after := n.flagService().Rollout.Checks[0].Candidate.Requests; after != before {
			t.Errorf("judged %d requests more of a killed flag", after-before)
		}
		if r := n.flagService().Rollout; r.Awaits != api.AwaitsResume || r.Waiting != "the flag is killed by ci" {
			t.Errorf("awaits %q, %s", r.Awaits, r.Waiting)
		}
		if _, err := n.RestoreFlag(t.Context(), "checkout", api.FlagRequest{}, ci); err != nil {
			t.Fatal(err)
		}
		n.percentage(500)
		n.flagUntil(api.PhaseStepping, api.AwaitsApproval, time.Hour)
	})
}
