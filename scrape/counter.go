package scrape

import (
	"errors"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// growth is what the counters of a pool did since the reference.
type growth struct {
	targets  int     // that were seen both times
	value    float64 // sum
	rate     float64 // sum of the targets' growths a second
	requests float64
	from     time.Time // of the earliest sample
}

// counter is the growth of a check's counters by request or second since the last value. False: it says
// nothing yet, since a counter takes two looks, or requests enough.
func (e *endpoint) counter(c *config.Check, pages map[*router.Target]page) (Reading, bool) {
	now := time.Now()
	ref := e.refs[c.Name]
	if ref == nil {
		ref = &reference{at: now, samples: map[*router.Target]sample{}}
		e.refs[c.Name] = ref
	}
	r := Reading{Check: c.Name, From: now, At: now, Candidate: nan, Baseline: nan}
	var wrong trouble
	seen := map[*router.Target]sample{}
	tried := e.grown(&e.job.Tried, c, ref, pages, seen, &wrong)
	baseline := e.grown(&e.job.Baseline, c, ref, pages, seen, &wrong)
	r.Err = wrong.String()
	for t, s := range seen {
		if _, known := ref.samples[t]; !known {
			ref.samples[t] = s // measured from here on
		}
	}
	switch {
	case tried.targets == 0 || baseline.targets == 0:
		return r, r.Err != ""
	case c.Scrape.Per == config.PerRequest && (tried.requests < leastServed || baseline.requests < leastServed):
		return e.patient(c, ref, now, r, &tried, &baseline)
	}
	ref.at, ref.samples = now, seen
	r.From = tried.from
	if baseline.from.Before(r.From) {
		r.From = baseline.from
	}
	r.Candidate, r.Baseline = tried.per(c.Scrape.Per), baseline.per(c.Scrape.Per)
	return r, true
}

// patient waits for more requests and at last says so.
func (e *endpoint) patient(c *config.Check, ref *reference, now time.Time, r Reading, tried, baseline *growth) (Reading, bool) {
	if now.Sub(ref.at) < patientTimes*c.Every {
		return r, r.Err != ""
	}
	pool, n := e.job.Tried.Name, tried.requests
	if baseline.requests < n {
		pool, n = e.job.Baseline.Name, baseline.requests
	}
	few := fmt.Sprintf("%.0f requests on %s within %v, at least %d make a value", n, pool, now.Sub(ref.at).Round(time.Second), leastServed)
	if r.Err != "" {
		few = r.Err + "; " + few
	}
	r.Err = few
	return r, true
}

var errReset = errors.New("its counter began anew")

// grown adds up the targets of a pool. One that was not there the last time, or whose counter began anew
// since, has not grown by anything that could be told; it counts from the next look on.
func (e *endpoint) grown(p *Pool, c *config.Check, ref *reference, pages map[*router.Target]page, seen map[*router.Target]sample, wrong *trouble) (g growth) {
	for _, t := range p.Targets {
		x, err := pages[t].value(t, c, true)
		if err != nil {
			wrong.add(p.Name, err)
			if was, known := ref.samples[t]; known {
				seen[t] = was // it may come back
			}
			continue
		}
		now := sample{at: pages[t].at, value: x, begun: pages[t].begun, started: pages[t].text.started()}
		seen[t] = now
		was, known := ref.samples[t]
		switch {
		case !known:
			continue
		case now.value < was.value || now.started != was.started:
			delete(ref.samples, t)
			wrong.add(p.Name, fmt.Errorf("%s: %w", t.URL, errReset))
			continue
		}
		seconds := now.at.Sub(was.at).Seconds()
		if seconds <= 0 {
			continue
		}
		if g.targets == 0 || was.at.Before(g.from) {
			g.from = was.at
		}
		g.targets++
		g.value += now.value - was.value
		g.rate += (now.value - was.value) / seconds
		g.requests += float64(now.begun - was.begun)
	}
	return g
}

// per is the growth by request, or of a target by second.
func (g *growth) per(per config.Per) float64 {
	if per == config.PerRequest {
		return g.value / g.requests
	}
	return g.rate / float64(g.targets)
}
