package router

import (
	"cmp"
	"slices"

	"github.com/switchback-proxy/switchback/config"
)

// draws is how many ids are minted to count where they would go when flags decide by them.
const draws = 1 << 12

// ends finds where the request of x may end. Luck has a word when nothing in the request decides.
func (t *Table) ends(x *Explanation, q *Request) {
	minted := x.Issue != ""
	switch {
	case minted && x.Service.early:
		t.sample(x, q)
	case minted || x.Cause == ByChance:
		for _, p := range x.Service.Pools {
			if p.Weight > 0 {
				x.Ends = append(x.Ends, End{Pool: p, Cause: x.Cause, Share: float64(p.Weight) / float64(config.Full)})
			}
		}
	default:
		x.Ends = []End{{Pool: x.Pool, Cause: x.Cause, Share: 1}}
	}
	x.Lucky = len(x.Ends) > 1
	for i := range x.Ends {
		x.Ends[i].look()
	}
}

// sample counts where ids that are minted would go. The ids are the same in every run.
func (t *Table) sample(x *Explanation, q *Request) {
	type end struct {
		pool  *Pool
		cause Cause
	}
	n := map[end]int{}
	for i := range uint64(draws) {
		var d Decision
		if t.assign(&d, q, x.Path, [2]uint64{mix(2 * i), mix(2*i + 1)}, nil) == nil {
			n[end{d.Pool, d.Cause}]++
		}
	}
	for e, count := range n {
		x.Ends = append(x.Ends, End{Pool: e.pool, Cause: e.cause, Share: float64(count) / draws})
	}
	slices.SortFunc(x.Ends, func(a, b End) int {
		return cmp.Or(cmp.Compare(a.Pool.Index, b.Pool.Index), cmp.Compare(a.Cause, b.Cause))
	})
	x.Sampled = len(x.Ends) > 1
}

// mix makes of a counter a number that looks drawn (the finalizer of SplitMix64).
func mix(n uint64) uint64 {
	n = (n + 1) * 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// look finds who would serve, as aim does, without taking a turn.
func (e *End) look() {
	own, base := e.Pool.eligible(nil), e.Pool.Service.Baseline
	e.Panic = own.all
	for _, t := range e.Pool.Targets {
		e.Targets = append(e.Targets, Candidacy{t, own.has(t)})
	}
	falls := e.Pool != base && e.Cause.FallsBack() && base.Usable()
	switch {
	case own.n > 0:
		e.Serves, e.Others = e.Pool, own.n-1
		if falls {
			e.Falls = base
		}
	case falls:
		of := base.eligible(nil)
		e.Serves, e.Others = base, of.n-1
	}
}

// Candidates are the targets of Serves, none when it is nil.
func (e *End) Candidates() []Candidacy {
	switch e.Serves {
	case nil:
		return nil
	case e.Pool:
		return e.Targets
	}
	of := e.Serves.eligible(nil)
	var all []Candidacy
	for _, t := range e.Serves.Targets {
		all = append(all, Candidacy{t, of.has(t)})
	}
	return all
}
