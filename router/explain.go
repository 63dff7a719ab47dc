package router

import (
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
)

// MaxRetries bounds how many other targets of the same pool one request may try.
const MaxRetries = 1

// Explanation is a decision with its reasons. Where luck decides, the decision is what one draw makes of the request,
// and Ends says what the others make of it.
type Explanation struct {
	Decision         // without Target and Fallback: see Ends
	Err      error   // as of Decide, but for ErrNoTarget: see Ends
	Path     string  // the form that is matched; "" when there is none
	Others   []Other // the services that it does not go to, in file order
	Override string  // the pool that the request names by hand, trusted or not; "": none
	Trusted  bool    // its address may name one
	Keys     []KeyFinding
	Rules    []RuleFinding // those looked at, in file order, the one that matched last; and those that lead nowhere
	Turns    []Turn        // of the walk by key
	Told     string        // what upstream is told of flags
	Lucky    bool          // another draw may end elsewhere
	Sampled  bool          // the shares of Ends are counted, not computed
	Ends     []End         // where it may end
}

// Other is a service that a request does not go to.
type Other struct {
	Service *Service
	Host    bool // its hosts match
	Path    bool // and so do its paths there, but less closely
}

// KeyFinding is one place where a sticky key may be.
type KeyFinding struct {
	Key      config.StickyKey
	Value    string // what is there; "": nothing
	Accepted bool   // it can be a key. The first one that is accepted counts
}

// RuleFinding is what became of one rule.
type RuleFinding struct {
	Index   int // in the file
	Nowhere bool
	Pool    *Pool // nil when Nowhere: no pool has the role now
	Missing Part  // Nothing: it matched
	Header  config.HeaderMatch
	Got     string // with TheHeader: what the request has in place of Header's value
	Flag    *flags.Flag
	Result  flags.Result // of Flag, when it was asked
}

// Turn is a pool that was asked whether a key is its: it is when the position lies in the first weight/remaining of
// all 2³².
type Turn struct {
	Pool      *Pool
	Hashed    string // what stands before the key
	Position  uint32
	Remaining config.Weight
	Taken     bool
}

// End is a place where a request may end.
type End struct {
	Pool    *Pool
	Cause   Cause
	Share   float64 // of the draws; 1 when luck decides nothing
	Targets []Candidacy
	Panic   bool  // of Pool: so few targets are up that health is ignored
	Serves  *Pool // whose targets serve: Pool, the baseline in its place, or nil when none can
	Others  int   // how many other targets of Serves could be tried
	Falls   *Pool // who may serve when those cannot be reached; nil: nobody
}

// Candidacy is a target of the pool chosen. Serves: it may be picked now.
type Candidacy struct {
	*Target
	Serves bool
}

// trace is what Explain wants to know of the way to a pool. It keeps copies: what it is shown may stand in a
// buffer that is used again.
type trace struct {
	rules []RuleFinding
	turns []Turn
}

func (tr *trace) rule(r *rule, missing Part, key string, h Header) {
	f := RuleFinding{Index: r.index, Pool: r.pool, Missing: missing}
	if i := mismatch(r.headers, h); missing == TheHeader && i >= 0 {
		f.Header, f.Got = r.headers[i], strings.Clone(h.Get(r.headers[i].Name))
	}
	if r.flagged && (missing == TheFlag || missing == Nothing) {
		if f.Flag = r.flag; f.Flag != nil {
			f.Result = r.flag.Evaluate(&flags.Context{Key: key})
		}
	}
	tr.rules = append(tr.rules, f)
}

func (tr *trace) turn(s *share, position uint32, remaining uint64, taken bool) {
	tr.turns = append(tr.turns, Turn{
		Pool: s.pool, Hashed: s.prefix, Position: position, Taken: taken,
		Remaining: config.Weight(remaining), //nolint:gosec // at most Full
	})
}

// Explain says what Decide makes of a request and why. It goes the same way by the same functions, but takes no turn
// of a pool: asking changes nothing. It is meant for people and takes its time.
func (t *Table) Explain(q *Request, rnd [2]uint64) Explanation {
	var x Explanation
	var buf [MaxPath]byte
	path, ok := normalize(q.Path, &buf)
	if !ok {
		x.Err = ErrBadPath
		return x
	}
	x.Path = string(path)
	var tr trace
	x.Err = t.assign(&x.Decision, q, x.Path, rnd, &tr)
	x.Others = t.others(q.Host, x.Path, x.Service)
	x.Trusted = t.MayOverride(q.Client)
	if t.trust.header != "" {
		x.Override = q.Header.Get(t.trust.header)
	}
	if x.Service == nil {
		return x
	}
	x.Keys = x.Service.keyFindings(q.Header)
	x.Rules, x.Turns = x.Service.withNowhere(tr.rules, &x), tr.turns
	if x.Err == nil {
		x.Told = x.FlagsField()
		t.ends(&x, q)
	}
	return x
}

// others asks every other service by itself, through the matching of a table that has no other.
func (t *Table) others(host, path string, chosen *Service) []Other {
	var all []Other
	for _, s := range t.Services {
		if s == chosen || s.Config.Of != "" {
			continue
		}
		all = append(all, Other{Service: s, Host: alone(s, host, "/", []string{"/"}), Path: alone(s, host, path, s.Config.Paths)})
	}
	return all
}

// alone reports whether a service with these paths would get the request if it were the only one.
func alone(s *Service, host, path string, prefixes []string) bool {
	c := *s.Config
	c.Paths = prefixes
	t := &Table{exact: map[string]*paths{}, wildcard: map[string]*paths{}, any: &paths{}}
	return t.mount(&Service{Name: s.Name, Config: &c}) == nil && t.match(host, path) != nil
}

func (s *Service) keyFindings(h Header) []KeyFinding {
	var all []KeyFinding
	for i := range s.sticky.keys {
		k := &s.sticky.keys[i]
		v := read(k, h)
		all = append(all, KeyFinding{Key: *k, Value: v, Accepted: v != "" && accepts(k, v)})
	}
	return all
}

// withNowhere adds the rules that lead to nobody, as far as rules were looked at.
func (s *Service) withNowhere(seen []RuleFinding, x *Explanation) []RuleFinding {
	if x.Cause < ByRule {
		return nil
	}
	var all []RuleFinding
	for i := range s.Config.Rules {
		if !slices.ContainsFunc(s.rules, func(r rule) bool { return r.index == i }) {
			all = append(all, RuleFinding{Index: i, Nowhere: true})
			continue
		}
		if len(seen) == 0 {
			break
		}
		all, seen = append(all, seen[0]), seen[1:]
		if all[len(all)-1].Missing == Nothing {
			break
		}
	}
	return all
}
