package control

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// cohort says how the request is drawn.
func (e *explainer) cohort() api.ExplainStep {
	x := &e.x
	if e.decided() {
		return step("cohort", "not asked: the "+x.Cause.String()+" decides")
	}
	details := e.found()
	if x.Cause == router.ByRule && !x.Lucky {
		return step("cohort", "not asked: a rule decides", details...)
	}
	switch {
	case x.Lucky && x.Issue != "":
		return step("cohort", fmt.Sprintf("no key: an id is minted and set as cookie %s, and its hash decides: %s", x.Issue, e.odds()), details...)
	case x.Issue != "":
		return step("cohort", fmt.Sprintf("no key: an id is minted and set as cookie %s; whatever it is: %s", x.Issue, x.Pool.Name), details...)
	case x.Cause == router.ByChance:
		return step("cohort", "no key: chance decides: "+e.odds(), details...)
	}
	if flag := x.Service.Config.Sticky.Seed.Flag(); flag != "" {
		details = append(details, "seed flag:"+flag+": who has the flag first meets the candidate first")
	}
	for _, t := range x.Turns {
		details = append(details, sayTurn(e.turn(t)))
	}
	said := fmt.Sprintf("key %s from %s: %s", quoted(e.key().Value), e.key().Source, x.Pool.Name)
	if n := len(x.Turns); n == 0 || !x.Turns[n-1].Taken {
		said += ", the baseline, which keeps who is left"
	}
	return step("cohort", said, details...)
}

// found says where keys were looked for.
func (e *explainer) found() []string {
	var said []string
	for _, k := range e.x.Keys {
		switch {
		case k.Accepted && e.x.Cause != router.ByRule:
			return said // the sentence names it
		case k.Accepted:
			return append(said, keySource(k.Key)+": "+quoted(k.Value))
		case k.Value == "":
			said = append(said, keySource(k.Key)+" is not there")
		case k.Key.IssueCookie != "":
			said = append(said, keySource(k.Key)+" is not one that was issued here")
		default:
			said = append(said, fmt.Sprintf("%s is longer than %d bytes", keySource(k.Key), router.MaxKey))
		}
	}
	return said
}

func (e *explainer) odds() string {
	var said []string
	for _, end := range e.x.Ends {
		if e.x.Sampled {
			said = append(said, fmt.Sprintf("%s about %.1f %% by %s", end.Pool.Name, 100*end.Share, end.Cause))
			continue
		}
		said = append(said, fmt.Sprintf("%s %s %%", end.Pool.Name, decimals(100*end.Share)))
	}
	return strings.Join(said, ", ")
}

// decimals is a number with at most four decimals.
func decimals(v float64) string {
	s := strconv.FormatFloat(v, 'f', 4, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func (e *explainer) turn(t router.Turn) api.ExplainTurn {
	value := ""
	if k := e.key(); k != nil {
		value = k.Value
	}
	weight := t.Pool.Weight
	return api.ExplainTurn{
		Pool: t.Pool.Name, Hashed: t.Hashed + value, Hash: t.Position,
		Position: 100 * float64(t.Position) / (1 << 32), Weight: weight.Percent(), Remaining: t.Remaining.Percent(),
		Below: 100 * float64(weight) / float64(t.Remaining), Taken: t.Taken,
	}
}

func sayTurn(t api.ExplainTurn) string {
	compare, result := "is not below", "not "+t.Pool
	if t.Taken {
		compare, result = "is below", t.Pool
	}
	limit := fmt.Sprintf("its weight of %s %%", decimals(t.Weight))
	if t.Remaining != config.Full.Percent() {
		limit = fmt.Sprintf("%s %%, its %s %% of the %s %% that are left", decimals(t.Below), decimals(t.Weight), decimals(t.Remaining))
	}
	return fmt.Sprintf("murmur3-32(%s) = %d, which is %s %% of 2³² and %s %s: %s",
		quoted(t.Hashed), t.Hash, decimals(t.Position), compare, limit, result)
}

// end is a place where the request may end, with those who may serve there.
func end(e *router.End) api.ExplainEnd {
	out := api.ExplainEnd{Pool: e.Pool.Name, Cause: e.Cause.String(), Share: 100 * e.Share, Targets: []api.Target{}}
	if e.Serves == nil {
		return out
	}
	out.Serves = e.Serves.Name
	var serving []*router.Target
	for _, c := range e.Candidates() {
		if c.Serves {
			serving = append(serving, c.Target)
		}
	}
	out.Targets = targets(serving)
	return out
}

func (e *explainer) targets() api.ExplainStep {
	var said, details []string
	told := map[*router.Pool]bool{}
	for i := range e.x.Ends {
		end := &e.x.Ends[i]
		if told[end.Pool] {
			continue
		}
		told[end.Pool] = true
		said = append(said, saySide(end))
		for _, c := range end.Targets {
			details = append(details, sayTarget(end, c))
		}
	}
	return step("target", strings.Join(said, "; "), details...)
}

// saySide says who serves what goes to a pool.
func saySide(e *router.End) string {
	of := fmt.Sprintf("%s has %d of %d targets up", e.Pool.Name, e.Pool.Count(router.Up), len(e.Pool.Targets))
	switch {
	case e.Serves == nil && e.Cause.FallsBack():
		return of + ", none can serve, nor can the baseline: the answer is 503"
	case e.Serves == nil:
		return of + " and none can serve; who names a pool by hand gets that pool or nothing: the answer is 503"
	case e.Serves != e.Pool:
		return of + ", none can serve: " + e.Serves.Name + " serves in its place, which counts as a failure of " + e.Pool.Name
	case e.Panic:
		return of + ", so few that health is ignored"
	case e.Pool.Count(router.Up) == 0:
		return of + ": those that are unknown serve"
	}
	return of
}

func sayTarget(e *router.End, c router.Candidacy) string {
	h := c.Health()
	said := fmt.Sprintf("%s %s: %s", e.Pool.Name, c.URL, c.Status())
	if h.Error != "" {
		said += ", " + h.Error
	}
	if c.Serves {
		return fmt.Sprintf("%s, weight %d, %d in flight", said, c.Weight, c.InFlight())
	}
	return said + ": not picked"
}

func (e *explainer) retry() api.ExplainStep {
	var details []string
	for i := range e.x.Ends {
		end := &e.x.Ends[i]
		if end.Serves == nil {
			continue
		}
		said := "no other target of " + end.Serves.Name
		if end.Others > 0 {
			said = fmt.Sprintf("another target of %s, at most %d of %d", end.Serves.Name, router.MaxRetries, end.Others)
		}
		if end.Falls != nil {
			said += ", then the baseline, " + end.Falls.Name
		}
		details = append(details, end.Pool.Name+" by "+end.Cause.String()+": "+said)
	}
	return step("retry", "while nothing of the request was sent; the failure counts against its pool", details...)
}

func (e *explainer) upstream() api.ExplainStep {
	pool := "the pool that serves"
	if len(e.x.Ends) == 1 {
		pool = e.x.Ends[0].Serves.Name
	}
	said := "told Switchback-Pool: " + pool
	switch {
	case len(e.x.Service.Told) == 0:
	case e.x.Issue != "":
		said += "; Switchback-Flags: what they say of the id that is minted"
	default:
		said += "; Switchback-Flags: " + e.x.Told
	}
	return step("upstream", said)
}
