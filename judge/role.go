package judge

import "iter"

// role says what a metric of a trial is: the comparison of a check or its absolute limit.
type role struct {
	check    int
	absolute bool
}

// roles are the metrics of a policy by their place in a trial: check by check, the comparison before the
// absolute limit. What a trial has no place for is left out; Validate reports it.
func (p *Policy) roles() iter.Seq2[int, role] {
	return func(yield func(int, role) bool) {
		slot := 0
		for i := range p.Checks[:min(len(p.Checks), MaxChecks)] {
			c := &p.Checks[i]
			for k := range c.metrics() {
				if slot == MaxMetrics {
					return
				}
				absolute := c.limited() && (k == 1 || !c.compared())
				if !yield(slot, role{check: i, absolute: absolute}) {
					return
				}
				slot++
			}
		}
	}
}
