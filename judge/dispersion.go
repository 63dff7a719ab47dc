package judge

import "math"

// Bounds and pull of the dispersion, and how it fades.
const (
	maxPhi       = 100
	phiPrior     = 5 // variance units of independent requests that are taken as seen
	phiHalfLife  = 24 * 3600
	leastInCells = 2
)

// dispersion measures how much more than independent requests the parts of one baseline differ from each
// other. Errors that come in batches make any two samples look different; what two samples of the same
// version look like is exactly what the cells show. Dividing evidence by it is valid for any value ≥ 1.
type dispersion struct{ seen, expected float64 }

// phi lies in [1, 100].
func (d *dispersion) phi() float64 {
	return min(maxPhi, max(1, (phiPrior+d.seen)/(phiPrior+d.expected)))
}

// learn fades by the length of the window, then adds the squared differences of the cells from their
// part of the bad events, and what these would be if requests were independent.
func (d *dispersion) learn(cells []Tally, seconds float64) {
	keep := math.Exp2(-seconds / phiHalfLife)
	d.seen *= keep
	d.expected *= keep
	var all Tally
	for _, c := range cells {
		all.add(c.clean())
	}
	if len(cells) < leastInCells || all.Bad == 0 {
		return
	}
	for _, c := range cells {
		c = c.clean()
		part := c.Requests / all.Requests
		mean := all.Bad * part
		d.seen += (c.Bad - mean) * (c.Bad - mean)
		d.expected += mean * (1 - part)
	}
}
