package simulate

import (
	"errors"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/rollout"
)

// Plan is what is played. Shares are fractions: 0.001 is 0.1 %.
type Plan struct {
	Service   *config.Service // with a rollout; only read
	Candidate string          // a pool or a role; "": the other one of two pools

	Rate   float64 // requests a second to both pools together, above 0
	Errors float64 // the baseline's share of failed requests
	Worse  Change  // the candidate's, from Onset on
	Batch  float64 // failures come in batches of this mean size that hit one pool; up to 1: one by one

	Latency Latency // the baseline's
	Slower  float64 // the candidate's latencies over the baseline's, from Onset on; 0: 1

	Onset  time.Duration // until then the candidate equals the baseline
	Outage Outage        // what hits both pools alike
	Sticky bool          // a client stays on its pool; clients differ in how much they ask and how often they fail

	Insist bool // somebody promotes a step by hand that is undecided at its deadline

	Runs int    // rollouts to play
	Seed uint64 // the same plan and seed give the same result
}

// Change makes the candidate's share of failures from the baseline's: Ratio times that, and Add more.
// Change{Ratio: 1} changes nothing.
type Change struct{ Ratio, Add float64 }

func (c Change) of(share float64) float64 { return min(1, max(0, c.Ratio*share+c.Add)) }

// Latency is the law of the latencies, which is log-normal. The zero Latency has a median of 40 ms and a
// p99 of 160 ms.
type Latency struct{ P50, P99 time.Duration }

// The latencies of a plan that names none.
const (
	defaultP50 = 40 * time.Millisecond
	defaultP99 = 160 * time.Millisecond
)

// Outage is a time in which a share of all requests fails, whichever pool serves them. It begins at a
// random second of the time that the rollout takes at least.
type Outage struct {
	For   time.Duration // 0: none
	Share float64
}

// check reports everything about the plan that cannot be played.
func (p *Plan) check() error {
	var errs []error
	if p.Service == nil || p.Service.Rollout == nil {
		return errors.New("simulate: the service has no rollout")
	}
	for name, share := range map[string]float64{"errors": p.Errors, "the candidate's errors": p.Worse.Ratio*p.Errors + p.Worse.Add, "outage": p.Outage.Share} {
		if !(share >= 0 && share <= 1) {
			errs = append(errs, fmt.Errorf("%s: %v is no share between 0 and 1", name, share))
		}
	}
	if !(p.Rate > 0 && p.Rate <= mostRate) {
		errs = append(errs, fmt.Errorf("%v requests a second are not between 0 and %v", p.Rate, mostRate))
	}
	if !(p.Batch >= 0 && p.Batch <= mostBatch) {
		errs = append(errs, fmt.Errorf("batches of %v are not between 1 and %v", p.Batch, mostBatch))
	}
	if !(p.Slower >= 0 && p.Slower <= mostSlower) {
		errs = append(errs, fmt.Errorf("latencies %v times as long are not between 0 and %v", p.Slower, mostSlower))
	}
	if p.Latency.P50 < 0 || p.Latency.P99 < p.Latency.P50 {
		errs = append(errs, fmt.Errorf("a p99 of %v lies below a p50 of %v", p.Latency.P99, p.Latency.P50))
	}
	if len(playable(p.Service.Rollout.Checks)) == 0 {
		errs = append(errs, errors.New("every check is about something from outside, which is not known here"))
	}
	policy := rollout.Policy(p.Service.Rollout)
	if err := policy.Validate(); err != nil {
		errs = append(errs, err)
	}
	if p.Runs < 1 || p.Onset < 0 || p.Outage.For < 0 {
		errs = append(errs, errors.New("the number of runs is below 1, or a time below 0"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	return nil
}

// What a plan may ask for at most.
const (
	mostRate   = 1e7
	mostBatch  = 1e4
	mostSlower = 1e3
)

// slower is the factor in force once the candidate is worse.
func (p *Plan) slower() float64 {
	if p.Slower == 0 {
		return 1
	}
	return p.Slower
}

func (p *Plan) latency() Latency {
	if p.Latency == (Latency{}) {
		return Latency{P50: defaultP50, P99: defaultP99}
	}
	return p.Latency
}
