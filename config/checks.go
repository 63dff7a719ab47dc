package config

import (
	"slices"
	"strconv"
	"time"
)

// What a check accepts. Increases and limits are percent in the file.
var (
	anyIncrease  = bounds{least: 0, most: 90}
	anyLimit     = bounds{least: 0, most: 100, open: true}
	shareRatio   = bounds{least: 1, most: 100}
	latencyRatio = bounds{least: 1, most: 100, open: true} // at 1 an equal candidate could not be proven
)

// mostOver keeps the answer to "was it slow?" from arriving long after the request.
const mostOver = 30 * time.Second

// checks reads what is compared. Given, they replace the default ones as a whole.
func (p *parser) checks(n *node) []Check {
	if n == nil {
		return defaultChecks()
	}
	known := []string{CheckErrors, CheckP50, CheckP95, CheckP99, CheckSlow}
	o := object{node: n, values: map[string]*node{}}
	var all, own []Check
	for _, f := range p.mapping(n) {
		if slices.Contains(known, f.key.value) {
			o.values[f.key.value] = f.value
		} else if c, ok := p.named(f, known); ok {
			own = append(own, c)
		}
	}
	if at := blank(o.at(CheckErrors)); at != nil {
		all = append(all, p.errorsCheck(at))
	}
	for _, c := range defaultChecks()[1:] {
		if at := blank(o.at(c.Name)); at != nil {
			keys := p.object(at, "max_ratio", "observe_only")
			c.MaxRatio = p.decimal(keys.at("max_ratio"), latencyRatio, defaultLatencyRatio)
			c.ObserveOnly = p.boolean(keys.at("observe_only"))
			all = append(all, c)
		}
	}
	if at := blank(o.at(CheckSlow)); at != nil {
		all = append(all, p.slowCheck(at))
	}
	if len(n.fields) == 0 {
		p.report(n, flaw{"lists no check", "remove it for errors, p50, p95 and p99"})
	}
	all = append(all, own...)
	p.countChecks(n, all)
	return all
}

func (p *parser) errorsCheck(n *node) Check {
	o := p.object(n, "max_increase", "max_ratio", "max", "also", "observe_only")
	c := p.share(CheckErrors, o)
	c.Also = p.alsoFailed(o.at("also"))
	return c
}

func (p *parser) slowCheck(n *node) Check {
	o := p.object(n, "over", "max_increase", "max_ratio", "max", "observe_only")
	c := p.share(CheckSlow, o)
	if over := p.need(o, "over", "say what is slow: {over: 250ms}"); over != nil {
		c.Over = p.between(over, shortest, mostOver, 0)
	}
	return c
}

// share reads a check that compares shares of requests.
func (p *parser) share(name string, o object) Check {
	increase := o.at("max_increase")
	c := Check{
		Name:        name,
		MaxIncrease: p.fraction(increase, anyIncrease, defaultMaxIncrease),
		MaxRatio:    p.decimal(o.at("max_ratio"), shareRatio, defaultShareRatio),
		Max:         p.fraction(o.at("max"), anyLimit, 0),
		ObserveOnly: p.boolean(o.at("observe_only")),
	}
	if ratio := o.at("max_ratio"); c.MaxIncrease == 0 && c.MaxRatio == 1 && (ratio == nil || !ratio.bad) {
		p.report(increase, flaw{"is 0, so no candidate can be proven good enough", "allow a little, such as 0.1, or set max_ratio above 1"})
	}
	return c
}

// alsoFailed reads statuses in ascending order, so that their order in the file means nothing.
func (p *parser) alsoFailed(n *node) []int {
	var all []int
	lines := map[string]int{}
	for _, item := range p.list(n) {
		if status := p.count(item, 400, 499, 0); status != 0 {
			p.once(item, strconv.Itoa(status), lines)
			all = append(all, status)
		}
	}
	slices.Sort(all)
	return all
}
