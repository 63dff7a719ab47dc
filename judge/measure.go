package judge

// MaxMeasures is how many latency checks of a policy may be about a time that responses tell, rather than
// about that of the response itself.
const MaxMeasures = 4

// measure is what a memory knows of such a time, found by the name of the check.
type measure struct {
	check   string
	latency Histogram
}

// LearnMeasured takes over what the baseline told of the time that a Measured check is about. It is to be
// called with the check of a policy that Learn is called with, too: that one lets the memory fade.
func (m *Memory) LearnMeasured(p *Policy, check string, bins []Bin) {
	if len(bins) == 0 {
		return
	}
	place := -1
	for i := range m.measures {
		known := &m.measures[i]
		if known.check == check {
			place = i
			break
		}
		if place < 0 && (known.check == "" || !p.has(known.check)) {
			place = i
		}
	}
	if place < 0 {
		return // more than a policy may have
	}
	if m.measures[place].check != check {
		m.measures[place] = measure{check: check}
	}
	m.measures[place].latency.Learn(bins, 0)
}

// fadeMeasures lets the memory of all measured times fade.
func (m *Memory) fadeMeasures(seconds float64) {
	for i := range m.measures {
		if m.measures[i].check != "" {
			m.measures[i].latency.Learn(nil, seconds)
		}
	}
}

var nothing Histogram

// latency is what is known of the time that a latency check is about; it must not be changed.
func (m *Memory) latency(c *Check) *Histogram {
	if !c.Measured {
		return &m.Latency
	}
	for i := range m.measures {
		if m.measures[i].check == c.Name {
			return &m.measures[i].latency
		}
	}
	return &nothing
}
