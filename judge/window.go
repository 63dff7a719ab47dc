package judge

import (
	"math"
	"time"
)

// most bounds a count of one window; more is a mistake of the caller.
const most = 1e12

// Tally counts requests and the bad ones among them. Both may be fractional.
type Tally struct {
	Requests float64
	Bad      float64
}

// Counts is what one check saw in a window. Every drawn request has one outcome, that of its first
// attempt, and lies in the window in which it started.
type Counts struct {
	Candidate Tally
	Baseline  Tally
	// Cells are parts of the baseline that ought to behave alike: buckets of hashed clients where the
	// service has a key, else targets. Cell i is the same part in every window. They need not add up to
	// Baseline. Fewer than two teach nothing about dispersion.
	Cells []Tally
	// Threshold is the baseline's quantile that these latencies were counted against. A latency check
	// without one has nothing to say.
	Threshold time.Duration
	Arrived   Arrived // of a check with Apart, whose Bad is only told
	// Scrape is the pair of single values of a Value check, if one was taken.
	Scrape Scrape
}

// Scrape is a single value of each pool, taken at one time. NaN: the value could not be had.
type Scrape struct {
	Taken     bool // false: no scrape in this window
	Candidate float64
	Baseline  float64
}

// Window is what happened to the requests that started within a stretch of time, about a second.
// Observe does not keep its slices.
type Window struct {
	Seconds float64 // length
	// Odds are the coin's: the candidate's weight over the baseline's. 0: the split was not a coin for
	// each request, and the odds are those of the counts.
	Odds    float64
	Changed bool // first window after the weights changed
	Past    bool // started before the current step, at other weights: roll-back evidence only
	Paused  bool // not observed time: does not shorten the warm-up

	Checks  []Counts // by position in Policy.Checks; missing ones are empty
	Latency []Bin    // how long the baseline's requests took; feeds the thresholds
}

// counts is what the window says of check i, made safe to calculate with.
func (w *Window) counts(i int) Counts {
	if i >= len(w.Checks) {
		return Counts{}
	}
	c := w.Checks[i]
	c.Candidate, c.Baseline, c.Arrived = c.Candidate.clean(), c.Baseline.clean(), c.Arrived.clean()
	return c
}

// seconds is the length, made safe to calculate with.
func (w *Window) seconds() float64 { return clean(w.Seconds) }

// odds of check i, and whether the window can be bet on. With the coin's odds each request is a bet of
// its own, so one of either pool will do.
func (w *Window) odds(c *Counts) (float64, bool) {
	if w.Odds == 0 {
		o := c.Candidate.Requests / c.Baseline.Requests
		return o, o > 0 && finite(o)
	}
	return w.Odds, w.Odds > 0 && finite(w.Odds) && c.Candidate.Requests+c.Baseline.Requests > 0
}

// Thin reports whether a window without a coin's odds lacks requests of one pool in every check. The
// caller then adds the next second to it, see Add, and observes the sum once.
func (w *Window) Thin() bool {
	if w.Odds != 0 {
		return false
	}
	for i := range w.Checks {
		c := w.counts(i)
		if c.Scrape.Taken || c.Candidate.Requests >= 1 && c.Baseline.Requests >= 1 {
			return false
		}
	}
	return true
}

// Add puts the following window into w, whose slices it changes and grows. Both have the same policy
// and the same weights. The later threshold and scrape win.
func (w *Window) Add(next Window) {
	w.Seconds = w.seconds() + next.seconds()
	w.Changed = w.Changed || next.Changed
	w.Past = w.Past || next.Past
	w.Paused = w.Paused && next.Paused
	w.Latency = append(w.Latency, next.Latency...)
	for len(w.Checks) < len(next.Checks) {
		w.Checks = append(w.Checks, Counts{})
	}
	for i := range next.Checks {
		w.Checks[i].add(&next.Checks[i])
	}
}

func (c *Counts) add(next *Counts) {
	c.Candidate.add(next.Candidate.clean())
	c.Baseline.add(next.Baseline.clean())
	for len(c.Cells) < len(next.Cells) {
		c.Cells = append(c.Cells, Tally{})
	}
	for i := range next.Cells {
		c.Cells[i].add(next.Cells[i].clean())
	}
	c.Arrived.Candidate += clean(next.Arrived.Candidate)
	c.Arrived.Baseline += clean(next.Arrived.Baseline)
	if next.Threshold > 0 {
		c.Threshold = next.Threshold
	}
	if next.Scrape.Taken {
		c.Scrape = next.Scrape
	}
}

func (t *Tally) add(o Tally) {
	t.Requests += o.Requests
	t.Bad += o.Bad
}

// Share is the bad part, 0 without requests.
func (t Tally) Share() float64 {
	if t.Requests <= 0 {
		return 0
	}
	return t.Bad / t.Requests
}

func (t Tally) clean() Tally {
	n := clean(t.Requests)
	return Tally{Requests: n, Bad: min(clean(t.Bad), n)}
}

// clean makes nonsense nothing: a count that is negative or not a number is 0.
func clean(x float64) float64 {
	if math.IsNaN(x) || x < 0 {
		return 0
	}
	return min(x, most)
}
