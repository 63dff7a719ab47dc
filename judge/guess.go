package judge

import "math"

// Half-lives of the two memories of a baseline's bad share, in seconds. The short one shrinks the stakes
// within seconds when a shared outage begins.
const (
	longHalfLife  = 1800
	shortHalfLife = 5
)

// guess remembers how a baseline does on one check. It only has to be made from earlier windows; how
// good it is decides about speed, not about validity.
type guess struct{ long, short Tally }

// share is the guess of the bad share. It is above 0 also when nothing bad was ever seen.
func (g *guess) share() float64 {
	return min(0.95, max((g.long.Bad+0.5)/(g.long.Requests+200), g.short.Bad/(g.short.Requests+50)))
}

// learn lets the memories fade by the length of the window, then adds its counts.
func (g *guess) learn(seen Tally, seconds float64) {
	g.long.fade(seconds, longHalfLife)
	g.short.fade(seconds, shortHalfLife)
	g.long.add(seen)
	g.short.add(seen)
}

func (t *Tally) fade(seconds, halfLife float64) {
	keep := math.Exp2(-seconds / halfLife)
	t.Requests *= keep
	t.Bad *= keep
}
