package config

import (
	"regexp"
	"strconv"
	"time"
)

// The plans that have a name. Weights are percent, times are those of each step.
var (
	linearPlan = regexp.MustCompile(`^linear(\d+(?:\.\d+)?)every(\w+(?:\.\w+)?)$`)
	canaryPlan = regexp.MustCompile(`^canary(\d+(?:\.\d+)?)for(\w+(?:\.\w+)?)$`)
)

const (
	bluegreenPlan = "bluegreen"
	presetHint    = "it can be linear10every1m, canary10for5m, bluegreen or a list"
)

// preset reads a plan by its name: equal steps, one step before everything, or everything at once.
func (p *parser) preset(n *node) []Step {
	name := p.text(n)
	if name == "" {
		return defaultSteps()
	}
	full := Step{Weight: Full, For: defaultStep}
	if name == bluegreenPlan {
		return []Step{full}
	}
	m, linear := linearPlan.FindStringSubmatch(name), true
	if m == nil {
		m, linear = canaryPlan.FindStringSubmatch(name), false
	}
	if m == nil {
		p.spoil(n, flaw{quote(name) + " is no plan known here", presetHint})
		return defaultSteps()
	}
	weight, f := presetWeight(m[1])
	if f != nil {
		p.spoil(n, *f)
		return defaultSteps()
	}
	every, err := time.ParseDuration(m[2])
	switch {
	case err != nil:
		p.spoil(n, flaw{quote(m[2]) + " is not a duration", "write it like 30s, 5m or 1h30m"})
	case every < shortestStep || every > maxDuration:
		p.spoil(n, flaw{m[2] + " is not between " + brief(shortestStep) + " and " + brief(maxDuration), ""})
	case !linear:
		return []Step{{Weight: weight, For: every}, full}
	default:
		return p.linear(n, weight, every, full)
	}
	return defaultSteps()
}

func presetWeight(s string) (Weight, *flaw) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f <= 0 || f >= 100 {
		return 0, &flaw{s + " is not more than 0 and less than 100 percent", ""}
	}
	w, err := ParseWeight(f)
	if err != nil {
		return 0, &flaw{err.Error(), ""}
	}
	return w, nil
}

func (p *parser) linear(n *node, weight Weight, every time.Duration, full Step) []Step {
	if int(Full/weight) > maxSteps {
		p.spoil(n, flaw{"makes more than " + strconv.Itoa(maxSteps) + " steps", "take larger ones"})
		return defaultSteps()
	}
	var all []Step
	for w := weight; w < Full; w += weight {
		all = append(all, Step{Weight: w, For: every})
	}
	return append(all, full)
}
