package control

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/judge"
	"github.com/switchback-proxy/switchback/rollout"
	"github.com/switchback-proxy/switchback/scrape"
	"go.uber.org/zap"
)

// Scraper fetches the single values that rollouts are judged by. Its methods never wait for the network.
type Scraper interface {
	// Want says which jobs are to be worked on from now on.
	Want(jobs []scrape.Job)
	// Take returns what was read for a job since the last call, oldest first.
	Take(job scrape.Job) []scrape.Reading
}

// outside is what is known of a check whose numbers do not come with the counts of requests.
type outside struct {
	At     time.Time `json:"at"`               // of the last value
	Values []float64 `json:"values,omitempty"` // the candidate's, and the baseline's if there is one
	Since  time.Time `json:"since"`            // without a value since; zero: there is one
	Err    string    `json:"error,omitempty"`  // of the last look
	Rate   float64   `json:"rate,omitempty"`   // ratio checks: requests a second that something is hoped of
}

func (o outside) missing() bool { return !o.Since.IsZero() }

// A value is taken for missing when none came for so many of its intervals and the time of a call that hangs.
const (
	staleTimes = 8
	staleAfter = 20 * time.Second
)

// values hands over what was fetched for the running rollout, and says what is to be fetched.
func (l *Loop) values(svc *config.Service, t *trial, now time.Time) {
	state := l.records[svc.Name].state
	r := state.Running()
	if r == nil || !l.leads() {
		return
	}
	job, wanted := l.job(svc, r)
	if !wanted {
		return
	}
	t.expect(svc, now)
	if l.o.Scraper != nil {
		l.jobs = append(l.jobs, job)
		for _, reading := range l.o.Scraper.Take(job) {
			l.look(svc, t, r, reading)
		}
	}
	t.expire(svc, now)
}

// job is what has to be fetched in a step; false: nothing.
func (l *Loop) job(svc *config.Service, r *rollout.Rollout) (scrape.Job, bool) {
	s := l.table.Service(svc.Name)
	job := scrape.Job{Service: svc.Name, Rollout: r.ID, Epoch: r.Epoch.Step, Step: r.Step}
	for _, c := range svc.Rollout.Checks {
		if c.Kind.Fetched() {
			job.Checks = append(job.Checks, c)
		}
	}
	if len(job.Checks) == 0 || s == nil {
		return job, false
	}
	for _, p := range s.Pools {
		asked := scrape.Pool{Name: p.Name, Version: p.Version, Targets: p.Targets}
		switch p.Name {
		case r.Baseline:
			job.Baseline = asked
		case r.Candidate:
			job.Tried = asked
		}
	}
	return job, job.Baseline.Name != "" && job.Tried.Name != ""
}

// expect takes every value that was never had for missing from now on.
func (t *trial) expect(svc *config.Service, now time.Time) {
	for _, c := range svc.Rollout.Checks {
		if _, known := t.Outside[c.Name]; c.Kind.Fetched() && !known {
			t.note(c.Name, outside{Since: now})
		}
	}
}

// expire takes a value for missing that was not renewed for long.
func (t *trial) expire(svc *config.Service, now time.Time) {
	for _, c := range svc.Rollout.Checks {
		o, known := t.Outside[c.Name]
		if c.Kind.Fetched() && known && !o.missing() && now.Sub(o.At) > staleTimes*c.Every+staleAfter {
			o.Since = o.At
			if o.Err == "" {
				o.Err = "no value came since"
			}
			t.note(c.Name, o)
		}
	}
}

// note replaces what is known of a check. Readers may still hold what was known before.
func (t *trial) note(check string, o outside) {
	t.Outside = maps.Clone(t.Outside)
	if t.Outside == nil {
		t.Outside = map[string]outside{}
	}
	t.Outside[check] = o
}

// look takes over one reading: as evidence when there are values, and as what is known of the check.
func (l *Loop) look(svc *config.Service, t *trial, r *rollout.Rollout, reading scrape.Reading) {
	i := slices.IndexFunc(t.policy.Checks, func(c judge.Check) bool { return c.Name == reading.Check })
	if i < 0 {
		return
	}
	o := t.Outside[reading.Check]
	was := o.missing()
	o.Err = reading.Err
	if complete(&t.policy.Checks[i], reading) {
		o.At, o.Since, o.Values = reading.At, time.Time{}, pairOf(reading)
		t.bet(l, svc, r, i, reading)
	} else if !was {
		o.Since = reading.At
	}
	t.note(reading.Check, o)
	t.learned = true
	switch name := zap.String("check", reading.Check); {
	case !was && o.missing():
		l.log.Warn("a check has no data", zap.String("service", svc.Name), name, zap.String("error", o.Err))
	case was && !o.missing() && !o.At.IsZero():
		l.log.Info("a check has data", zap.String("service", svc.Name), name)
	}
}

// complete reports whether a reading has all that its check compares.
func complete(c *judge.Check, r scrape.Reading) bool {
	return finite(r.Candidate) && (finite(r.Baseline) || c.MaxRatio == 0)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func pairOf(r scrape.Reading) []float64 {
	if finite(r.Baseline) {
		return []float64{r.Candidate, r.Baseline}
	}
	return []float64{r.Candidate}
}

// bet gives single values to the judge. What is about a time before the step, when other weights were in
// force, proves nothing for it.
func (t *trial) bet(l *Loop, svc *config.Service, r *rollout.Rollout, check int, reading scrape.Reading) {
	w := judge.Window{
		Checks: make([]judge.Counts, len(t.policy.Checks)), Past: reading.From.Before(r.Since),
		Paused: l.records[svc.Name].state.Paused != nil,
	}
	w.Checks[check].Scrape = judge.Scrape{Taken: true, Candidate: reading.Candidate, Baseline: reading.Baseline}
	t.Trial.Observe(&t.policy, t.memory(r.Baseline), w)
}

// lacks is the first check that decides and has no data now, -1 when there is none. Nothing is promoted
// meanwhile, whatever was proven before.
func (e *evidence) lacks(p *judge.Policy) int {
	for i := range p.Checks {
		if !p.Checks[i].ObserveOnly && e.Outside[p.Checks[i].Name].missing() {
			return i
		}
	}
	return -1
}

// sayLacking is "cpu is missing since 14:02: connection refused".
func (e *evidence) sayLacking(p *judge.Policy, check int) string {
	name := p.Checks[check].Name
	o := e.Outside[name]
	said := name + " is missing since " + o.Since.UTC().Format("15:04:05")
	if o.Err != "" {
		said += ": " + o.Err
	}
	return said
}
