package rollout

import (
	"fmt"

	"github.com/switchback-proxy/switchback/config"
)

// byFile is who decided when the file did.
const byFile = "file"

// stepFile applies the one rule about the file: it speaks about weights only when its weights changed
// since they were last taken over. Then it wins.
func stepFile(svc *config.Service, s State, e File) (State, []Action, error) {
	cause := Cause{Verb: VerbFile, By: byFile, At: utc(e.At)}
	if s.Empty() || e.Lost {
		next, actions := first(svc, cause, e.Lost)
		return next, actions, nil
	}
	gone := s.gone(svc, s.InForce())
	spoke := !svc.Weights.Equal(s.Basis) && s.Paused == nil
	if gone != "" && !spoke && e.Serving {
		return s, nil, s.inUse(gone)
	}
	next := s
	next.Seen = versions(svc)
	if next.Failed != nil && next.Failed.cleared(svc) {
		next.Failed = nil
	}
	var actions []Action
	switch {
	case spoke:
		next, actions = next.obey(svc, cause)
	case gone != "":
		next, actions = next.desert(svc, cause, gone)
	case next.Running() != nil:
		next, actions = next.follow(svc, cause)
	}
	next.Baseline = next.baseline(svc)
	next, more := next.want(svc, s.Seen, cause)
	return next, append(actions, more...), nil
}

// cleared reports whether the latched pool has another version by now.
func (l *Latch) cleared(svc *config.Service) bool {
	p := svc.Pool(l.Pool)
	return p != nil && p.Version != l.Version
}

// first is the state of a service never seen before, or whose state is lost.
func first(svc *config.Service, c Cause, lost bool) (State, []Action) {
	c.Reason = "first start"
	if lost {
		c.Reason = "the state was lost"
	}
	s := State{Format: Format, Basis: svc.Weights.Clone(), Seen: versions(svc), Why: c, Moved: c}
	s.Baseline = heaviest(svc, s.Basis)
	return s.record(svc, nil, change{cause: c, warn: lost, text: func(_, after string) string {
		return fmt.Sprintf("%s: the file's weights apply: %s", c.Reason, after)
	}})
}

// obey takes the file's weights over. Whatever was decided at run time dissolves.
func (s State) obey(svc *config.Service, c Cause) (State, []Action) {
	why, moves := s.Why, !svc.Weights.Equal(s.InForce())
	s, ch := s.superseding(change{cause: c, text: func(before, after string) string {
		if !moves {
			return fmt.Sprintf("the file now says %s, as it is already: nothing moves; until now %s", after, why)
		}
		return fmt.Sprintf("the file's weights changed: %s; they replace %s (%s)", after, before, why)
	}})
	return s.enforce(svc, svc.Weights, svc.Weights, ch)
}

// desert gives up weights that name a pool the file no longer has. It happens only at a start, when
// nobody is left who could cut over first.
func (s State) desert(svc *config.Service, c Cause, gone string) (State, []Action) {
	c.Reason = gone + " left the file"
	s, ch := s.superseding(change{cause: c, warn: true, text: func(before, after string) string {
		return fmt.Sprintf("%s is no longer in the file: the file's weights apply: %s; they replace %s", gone, after, before)
	}})
	return s.enforce(svc, svc.Weights, svc.Weights, ch)
}

func (s State) inUse(pool string) *Refusal {
	by := s.Moved.By
	if by == byFile {
		by = "the file"
	}
	return refuse(PoolInUse, "%s carries %v since %s by %s; cut over first", pool, s.InForce()[pool], say(s.Moved.At), by)
}

// gone is a pool with weight in w that the file does not have, "" when there is none. The one with the
// most weight is named.
func (s State) gone(svc *config.Service, w config.Weights) string {
	name := ""
	for _, p := range order(svc, w) {
		if svc.Pool(p) == nil && (name == "" || w[p] > w[name]) {
			name = p
		}
	}
	return name
}

func versions(svc *config.Service) map[string]string {
	seen := make(map[string]string, len(svc.Pools))
	for _, p := range svc.Pools {
		seen[p.Name] = p.Version
	}
	return seen
}
