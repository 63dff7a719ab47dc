package examples

import (
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
	"github.com/switchback-proxy/switchback/internal/binary"
)

const points = 0.02 // what the rule allows

// TestRule shows both outcomes of the rule on the requests that were really made.
func TestRule(t *testing.T) {
	t.Parallel()
	e := open(t, "rule", "", canaryAddrs...)
	e.start(t, "upstream --addr 127.0.0.1:8081 --version 2.4.0 --errors 1")
	e.start(t, "upstream --addr 127.0.0.1:8082 --version 2.4.0 --errors 1")
	bad1 := e.start(t, "upstream --addr 127.0.0.1:8083 --version 2.5.0 --errors 8")
	bad2 := e.start(t, "upstream --addr 127.0.0.1:8084 --version 2.5.0 --errors 8")
	e.start(t, "switchback serve -c examples/rule/switchback.yaml")
	e.served(t)
	e.both(t, "blue")
	e.both(t, "green")
	const wait = "switchback wait shop --for promoted --timeout 3m"
	load := e.traffic(t, 300)

	load.Take()
	e.expect(t, `switchback rollout start shop --reason "release 2.5.0"`, 0)
	e.expect(t, wait, 4)
	e.weights(t, api.Weights{"blue": 100, "green": 0})
	back := e.last(t)
	candidate, baseline := e.rates(t, back, load.Take())
	t.Logf("%+.2f points: %s", 100*(candidate-baseline), back.Sentence)
	if back.Type != "rollout.rolled_back" || candidate <= baseline+points {
		t.Errorf("%s with %.2f %% over %.2f %%", back.Type, 100*candidate, 100*baseline)
	}
	e.expect(t, shopStatus, 0, strings.TrimPrefix(back.Sentence, "rolled back: "))

	bad1.Kill()
	bad2.Kill()
	e.start(t, "upstream --addr 127.0.0.1:8083 --version 2.5.0 --errors 1")
	e.start(t, "upstream --addr 127.0.0.1:8084 --version 2.5.0 --errors 1")
	// Until the probes have seen that the old ones ended, two targets up may be those.
	e.up(t, "127.0.0.1:8083", "127.0.0.1:8084")
	e.both(t, "green")
	load.Take()
	e.expect(t, `switchback rollout start shop --reason "2.5.0 again, repaired"`, 0)
	e.expect(t, wait, 0)
	e.weights(t, api.Weights{"blue": 0, "green": 100})
	seen, steps := load.Take(), 0
	for _, s := range e.events(t) {
		if s.Type != "rollout.step" {
			continue
		}
		candidate, baseline := e.rates(t, s, seen)
		t.Logf("%+.2f points: %s", 100*(candidate-baseline), s.Sentence)
		if steps++; s.After["green"] == 100 && candidate > baseline+points {
			t.Errorf("promoted with %.2f %% over %.2f %%", 100*candidate, 100*baseline)
		}
	}
	if steps != 2 {
		t.Errorf("%d steps forward, want 2: to 50 and to 100 %%", steps)
	}
	binary.Until(t, "everything is on 2.5.0", func() bool {
		return e.shop(t).Roles.Baseline == "green"
	})
}

// rates are the error rates of candidate and baseline that a decision rests on. It is of requests that users
// made while the rollout ran.
func (e *example) rates(t *testing.T, d api.Event, seen demo.Window) (candidate, baseline float64) {
	t.Helper()
	for _, c := range d.Checks {
		if c.Name != "errors" {
			continue
		}
		for version, told := range map[string]api.Counts{"2.5.0": c.Candidate, "2.4.0": c.Baseline} {
			if made := seen.Pools[version]; told.Requests == 0 || told.Requests > made.Requests || told.Bad > made.Failed {
				t.Errorf("%s tells of %+v of %s, users made %+v", d.Type, told, version, made)
			}
		}
		return float64(c.Candidate.Bad) / float64(c.Candidate.Requests), float64(c.Baseline.Bad) / float64(c.Baseline.Requests)
	}
	t.Fatalf("%s has no numbers of errors: %s", d.Type, d.Sentence)
	return 0, 0
}
