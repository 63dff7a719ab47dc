package scrape

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/outbound"
	"github.com/switchback-proxy/switchback/router"
)

// Bounds of what is fetched from a target, which may be broken or hostile.
const (
	mostText     = 8 << 20
	textTimeout  = 5 * time.Second
	mostAtOnce   = 8   // targets that are asked at a time
	leastServed  = 10  // requests of a pool between two values that are divided by requests
	patientTimes = 6   // how many rounds too few requests are no news
	status       = 200 // all else is no answer
)

// endpoint is the checks whose metrics stand on one page of each target.
type endpoint struct {
	job    Job
	path   string
	port   int
	every  time.Duration
	checks []config.Check
	call   Call
	refs   map[string]*reference // by check
}

// reference is what the growth of a check's counters is measured from.
type reference struct {
	at      time.Time
	samples map[*router.Target]sample
}

// sample is one value of one target, with how many requests it had been given by then.
type sample struct {
	at      time.Time
	value   float64
	begun   uint64
	started float64
}

// page is what one target answered.
type page struct {
	text  text
	at    time.Time
	begun uint64
	err   error
}

// endpoints groups the checks of a job by page and pace, so that none is fetched twice.
func endpoints(j *Job, call Call) []*endpoint {
	var all []*endpoint
	for _, c := range j.Checks {
		if c.Kind != config.KindScrape {
			continue
		}
		i := slices.IndexFunc(all, func(e *endpoint) bool {
			return e.path == c.Scrape.Path && e.port == c.Scrape.Port && e.every == c.Every
		})
		if i < 0 {
			i = len(all)
			all = append(all, &endpoint{
				job: *j, path: c.Scrape.Path, port: c.Scrape.Port, every: c.Every, call: call, refs: map[string]*reference{},
			})
		}
		all[i].checks = append(all[i].checks, c)
	}
	return all
}

// look asks every target of both pools once.
func (e *endpoint) look(ctx context.Context) []Reading {
	pages := e.fetch(ctx)
	var all []Reading
	for i := range e.checks {
		c := &e.checks[i]
		r, ok := e.gauge(c, pages), true
		if c.Scrape.Per != config.PerNothing {
			r, ok = e.counter(c, pages)
		}
		if ok {
			all = append(all, r)
		}
	}
	return all
}

// fetch is the pages of all targets. A pool's target that is also the other pool's is asked for each.
func (e *endpoint) fetch(ctx context.Context) map[*router.Target]page {
	var (
		mu    sync.Mutex // guards pages
		pages = map[*router.Target]page{}
		wg    sync.WaitGroup
		slots = make(chan struct{}, mostAtOnce)
	)
	for _, t := range slices.Concat(e.job.Baseline.Targets, e.job.Tried.Targets) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			p := e.ask(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			pages[t] = p
		})
	}
	wg.Wait()
	return pages
}

func (e *endpoint) ask(ctx context.Context, t *router.Target) page {
	p := page{at: time.Now(), begun: t.Begun()}
	answer, err := e.call(ctx, outbound.Call{
		URL: e.url(t), Name: address(e.url(t)), Timeout: textTimeout, MaxBody: mostText,
		Header: http.Header{"Accept": {"text/plain;version=0.0.4"}},
	})
	switch {
	case err != nil:
		p.err = err
	case answer.Status != status:
		p.err = fmt.Errorf("%s answered %d", address(e.url(t)), answer.Status)
	default:
		names := []string{startTime}
		for i := range e.checks {
			names = append(names, e.checks[i].Scrape.Metric)
		}
		if p.text, err = parse(answer.Body, names); err != nil {
			p.err = fmt.Errorf("%s: %w", address(e.url(t)), err)
		}
	}
	return p
}

// url is where a target shows its metrics.
func (e *endpoint) url(t *router.Target) string {
	scheme, addr, _ := strings.Cut(t.URL, "://")
	if e.port != 0 {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			addr = net.JoinHostPort(host, strconv.Itoa(e.port))
		}
	}
	return scheme + "://" + addr + e.path
}

// address is an URL as errors show it: a path of a target is no secret, its query may be one.
func address(url string) string {
	before, _, _ := strings.Cut(url, "?")
	return before
}

// trouble gathers what was wrong with targets, each once.
type trouble []string

func (t *trouble) add(pool string, err error) {
	*t = append(*t, pool+": "+err.Error())
}

func (t trouble) String() string {
	if len(t) > 2 {
		return printable(strings.Join(t[:2], "; ") + fmt.Sprintf("; and %d more", len(t)-2))
	}
	return printable(strings.Join(t, "; "))
}

// gauge is the mean over the targets of each pool that have a value: a pool of more targets is not worse.
func (e *endpoint) gauge(c *config.Check, pages map[*router.Target]page) Reading {
	r := Reading{Check: c.Name, At: time.Now()}
	r.From = r.At
	var wrong trouble
	mean := func(p *Pool) float64 {
		sum, n := 0.0, 0
		for _, t := range p.Targets {
			x, err := pages[t].value(t, c, false)
			if err != nil {
				wrong.add(p.Name, err)
				continue
			}
			sum += x
			n++
		}
		if n == 0 {
			return nan
		}
		return sum / float64(n)
	}
	r.Candidate, r.Baseline = mean(&e.job.Tried), mean(&e.job.Baseline)
	r.Err = wrong.String()
	return r
}

// value is that of one metric on a page.
func (p page) value(t *router.Target, c *config.Check, counter bool) (float64, error) {
	if p.err != nil {
		return nan, p.err
	}
	x, err := p.text.value(c.Scrape.Metric, counter)
	if err != nil {
		return nan, fmt.Errorf("%s: %w", t.URL, err)
	}
	return x, nil
}
