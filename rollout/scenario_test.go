package rollout

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

var update = flag.Bool("update", false, "rewrite the outcomes in testdata")

// TestScenarios plays the stories in testdata. A line that is not indented is what happens, the
// indented lines below it are what became of it; -update rewrites those.
//
//	pools blue=2.4.0 green     the file's pools and versions     weights blue=100   the file's weights
//	up blue=2/2 green=1/2      targets up, all unless said       +1h …              time passes first
//	start, reload, restart, lost                                 the file is read, in that situation
//	cutover to=green by=ci …, weights-set, drop-intent, rollback, pause, resume     commands
//	begin (a rollout), promote full, approve, step-back                             more commands
//	rollout steps=5,25/15m/approve,100 bake=30m/2 on_fail=hold start=version …      the file's plan; off: none
//	targets green=a,b      the file's targets                    tick, elected term=2
//	rollout … gates=start,promote/host windows=Mon-Thu/09:00-16:00/UTC|… announce=url
//	answered open: answered 204   answered closed: …   of the gate that is asked     open-gate gate=finish
//	judged fail 90s lean check=errors epoch=old term=1: green failed 8 of 325       the judge's second
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(raw))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(raw) {
				t.Errorf("%s differs; got:\n%s", file, got)
			}
		})
	}
}

type story struct {
	svc   config.Service
	state State
	now   time.Time
	facts Facts
	epoch Epoch // of the judged line before
}

func play(t *testing.T, script string) string {
	t.Helper()
	st := &story{
		svc: config.Service{Name: "shop"}, facts: Facts{},
		now: time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC),
	}
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, " ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for _, o := range st.line(t, line) {
			out.WriteString("    " + o + "\n")
		}
	}
	return out.String()
}

func (st *story) line(t *testing.T, line string) []string {
	t.Helper()
	line, sentence, _ := strings.Cut(line, ": ")
	words := strings.Fields(line)
	if d, err := time.ParseDuration(strings.TrimPrefix(words[0], "+")); err == nil {
		st.now = st.now.Add(d)
		words = words[1:]
	}
	verb, args := words[0], words[1:]
	switch verb {
	case "pools":
		st.pools(args)
		return nil
	case "weights":
		st.svc.Weights = weightsOf(t, args)
		return nil
	case "up":
		st.up(t, args)
		return nil
	case "rollout":
		st.plan(t, args)
		return nil
	case "targets":
		st.targets(args)
		return nil
	case "judged":
		return st.step(t, st.judged(t, args, sentence))
	case "answered":
		return st.step(t, st.answered(args, sentence))
	case "tick":
		return st.step(t, Ticked{At: st.now, Term: st.term(args), Facts: st.facts})
	case "elected":
		return st.step(t, Elected{At: st.now, Term: st.term(args)})
	case "start", "restart":
		return st.step(t, File{At: st.now})
	case "lost":
		return st.step(t, File{At: st.now, Lost: true})
	case "reload":
		return st.step(t, File{At: st.now, Serving: true})
	}
	return st.step(t, st.command(t, verb, args))
}

func (st *story) pools(args []string) {
	was := st.svc
	st.svc.Pools = nil
	st.facts = Facts{}
	for _, a := range args {
		name, version, _ := strings.Cut(a, "=")
		p := config.Pool{Name: name, Version: version}
		if known := was.Pool(name); known != nil {
			p.Targets = known.Targets
		}
		st.svc.Pools = append(st.svc.Pools, p)
		st.facts[name] = Ready{Up: 2}
	}
}

func (st *story) up(t *testing.T, args []string) {
	t.Helper()
	for _, a := range args {
		var up, of int
		name, counts, _ := strings.Cut(a, "=")
		if _, err := fmt.Sscanf(counts, "%d/%d", &up, &of); err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		r := Ready{Up: up}
		for i := up; i < of; i++ {
			url := fmt.Sprintf("http://%s-%d:80", name, i+1)
			r.NotUp = append(r.NotUp, Target{URL: url, Status: "down", Error: "connection refused"})
		}
		st.facts[name] = r
	}
}

func (st *story) command(t *testing.T, verb string, args []string) Commanded {
	t.Helper()
	if verb == "begin" { // start is what the process does
		verb = string(VerbStart)
	}
	c := Commanded{Verb: Verb(strings.TrimSuffix(verb, "-set")), At: st.now, By: "ci", Facts: st.facts}
	var shares []string
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "to":
			c.To = value
		case "from":
			c.From = value
		case "by":
			c.By = value
		case "reason":
			c.Reason = value
		case "force":
			c.Force = true
		case "gate":
			c.Gate = config.GateAt(value)
		case "full":
			c.Full = true
		default:
			shares = append(shares, a)
		}
	}
	if c.Verb == VerbWeights {
		c.Weights = weightsOf(t, shares)
	} else if len(shares) > 0 {
		t.Fatalf("%s does not know %v", verb, shares)
	}
	return c
}

// step takes the state through its JSON each time, as a restart would.
func (st *story) step(t *testing.T, e Event) []string {
	t.Helper()
	next, actions, err := Step(&st.svc, st.state, e)
	var refusal *Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	raw, err := next.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if next, err = Decode(raw); err != nil {
		t.Fatal(err)
	}
	was, err := st.state.Encode()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{st.describe(next)}
	switch {
	case refusal != nil:
		out = append(out, fmt.Sprintf("! %s: %s", refusal.Kind, refusal.Detail))
	case string(was) == string(raw):
		out = append(out, "unchanged")
	}
	for _, a := range actions {
		announce, ok := a.(Announce)
		if !ok {
			out = append(out, "> "+sayMark(a.(Mark)))
			continue
		}
		mark := "| " + string(announce.Decision.Type) + ":"
		if announce.Warn {
			mark = "| warning, " + string(announce.Decision.Type) + ":"
		}
		out = append(out, mark+" "+announce.Decision.Sentence)
	}
	st.state = next
	return out
}

func (st *story) describe(s State) string {
	layer := "file"
	if s.Intent != nil {
		layer = "intent"
	}
	d := fmt.Sprintf("%s, by %s, baseline %s", sayWeights(&st.svc, s.InForce()), layer, s.Baseline)
	if r := s.Rollout; r != nil {
		d += fmt.Sprintf(", rollout %s %s %d", r.ID, r.Phase, r.Step)
	}
	if gate := sayGate(&st.svc, s); gate != "" {
		d += ", gate " + gate
	}
	if len(s.Outbox) > 0 {
		d += fmt.Sprintf(", outbox up to %d", s.Outbox[len(s.Outbox)-1].N)
	}
	if s.Failed != nil {
		d += ", latched " + sayPool(s.Failed.Pool, s.Failed.Version)
	}
	if s.Wanted != nil {
		d += ", wants " + sayPool(s.Wanted.Candidate, s.Wanted.Version)
	}
	if s.Paused != nil {
		d += ", paused"
	}
	if p := s.Pending(&st.svc); p != nil {
		d += ", waiting: " + sayWeights(&st.svc, p)
	}
	switch possible, problem := Undo(&st.svc, s, st.facts); {
	case possible:
		d += ", undo: " + sayWeights(&st.svc, s.Restores())
	case problem != "":
		d += ", undo impossible: " + problem
	}
	return d
}

// sayGate is the gate that the advance waits for.
func sayGate(svc *config.Service, s State) string {
	if q, ok := s.Question(svc); ok {
		return fmt.Sprintf("%s asked, question %d", q.Gate.Name(), q.Question)
	}
	if r := s.Running(); r != nil && svc.Rollout != nil {
		if gate, why, ok := r.Closed(svc.Rollout); ok {
			return fmt.Sprintf("%s closed, %s", gate.Name(), why)
		}
		if r.Gating != nil && s.Paused == nil {
			return fmt.Sprintf("all %d open", r.Gating.Open)
		}
	}
	return ""
}

func weightsOf(t *testing.T, args []string) config.Weights {
	t.Helper()
	w := config.Weights{}
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		w[name] = percentOf(t, value)
	}
	return w
}
