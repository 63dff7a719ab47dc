// Package scrape fetches the single values that rollouts are judged by: metrics of the targets' own
// Prometheus text, answers of a Prometheus server, numbers and verdicts of webhooks. It goes out in
// goroutines of its own, each bounded in time and size, and hands over what came back. It does not know
// what a value means and decides nothing.
package scrape

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/outbound"
	"github.com/switchback-proxy/switchback/router"
)

// Job is the values that one step of a rollout needs. Another step, other targets or checks make another
// job, whose counters begin anew.
type Job struct {
	Service  string
	Rollout  string // ID
	Epoch    int    // of the step
	Step     int    // from 1, told to webhooks
	Baseline Pool
	Tried    Pool           // the candidate
	Checks   []config.Check // those that are Fetched
}

// Pool is what is asked about a pool.
type Pool struct {
	Name, Version string
	Targets       []*router.Target
}

// Reading is what one look at the source of a check gave.
type Reading struct {
	Check string
	From  time.Time // the values are about the time from here
	At    time.Time // to here; the same as From for what is a moment's
	// Candidate and Baseline are NaN where no value could be had. Of a verdict the candidate's is 1 for
	// fail and 0 for pass.
	Candidate, Baseline float64
	Err                 string // what was wrong, also beside values that could be had without it; "": nothing
}

// Call is how a request leaves the process; outbound.Client.Do is one. It blocks.
type Call func(context.Context, outbound.Call) (outbound.Answer, error)

// keepReadings bounds what nobody takes.
const keepReadings = 256

// Scraper works on the jobs that are wanted. Make one with New, then Run it. Want and Take are safe for
// concurrent use and never wait for the network.
type Scraper struct {
	call Call
	wake chan struct{}

	mu       sync.Mutex // guards the rest
	wanted   map[string]Job
	readings map[string][]Reading // by key of the job
}

// New returns a Scraper that does nothing yet.
func New(call Call) *Scraper {
	return &Scraper{call: call, wake: make(chan struct{}, 1), wanted: map[string]Job{}, readings: map[string][]Reading{}}
}

// Want says which jobs are to be worked on from now on; all others end.
func (s *Scraper) Want(jobs []Job) {
	wanted := make(map[string]Job, len(jobs))
	for _, j := range jobs {
		wanted[j.key()] = j
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	same := len(wanted) == len(s.wanted)
	for key := range wanted {
		_, known := s.wanted[key]
		same = same && known
	}
	if same {
		return
	}
	s.wanted = wanted
	for key := range s.readings {
		if _, still := wanted[key]; !still {
			delete(s.readings, key)
		}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Take returns what was read for a job since the last call, oldest first.
func (s *Scraper) Take(j Job) []Reading {
	key := j.key()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.readings[key]
	delete(s.readings, key)
	return all
}

// key tells jobs apart.
func (j *Job) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%d|%d|%+v", j.Service, j.Rollout, j.Epoch, j.Step, j.Checks)
	for _, p := range []*Pool{&j.Baseline, &j.Tried} {
		fmt.Fprintf(&b, "|%s@%s", p.Name, p.Version)
		for _, t := range p.Targets {
			fmt.Fprintf(&b, " %s %p", t.URL, t.State)
		}
	}
	return b.String()
}

// Run works until ctx ends and returns nil when all it started has ended.
func (s *Scraper) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	running := map[string]context.CancelFunc{}
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	for {
		wanted := s.jobs()
		for key, stop := range running {
			if _, still := wanted[key]; !still {
				stop()
				delete(running, key)
			}
		}
		for key, j := range wanted {
			if running[key] == nil {
				jobCtx, stop := context.WithCancel(ctx)
				running[key] = stop
				s.start(jobCtx, &wg, key, j)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		}
	}
}

func (s *Scraper) jobs() map[string]Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.wanted)
}

// source looks once at where values come from.
type source interface {
	look(ctx context.Context) []Reading
}

// start begins the sources of a job, each in a goroutine of its own: a slow one keeps no other waiting.
func (s *Scraper) start(ctx context.Context, wg *sync.WaitGroup, key string, j Job) {
	run := func(every time.Duration, from source) {
		wg.Go(func() { s.repeat(ctx, key, every, from) })
	}
	for _, e := range endpoints(&j, s.call) {
		run(e.every, e)
	}
	for _, c := range j.Checks {
		switch c.Kind {
		case config.KindPrometheus:
			run(c.Every, &query{job: j, check: c, call: s.call})
		case config.KindWebhook:
			run(c.Every, &webhook{job: j, check: c, call: s.call})
		case config.KindScrape, config.KindServerTiming, config.KindRatio:
		}
	}
}

// repeat looks at once and then every so often. A look that takes longer than that leaves out the next.
func (s *Scraper) repeat(ctx context.Context, key string, every time.Duration, from source) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		found := from.look(ctx)
		if ctx.Err() != nil {
			return // what is over by now is nobody's failure
		}
		s.keep(key, found)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Scraper) keep(key string, found []Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, still := s.wanted[key]; !still {
		return
	}
	all := append(s.readings[key], found...)
	s.readings[key] = all[max(0, len(all)-keepReadings):]
}
