package router_test

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"net/netip"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// murmur is MurmurHash3 x86 32-bit with seed 0, written from its public description as a second opinion.
func murmur(data string) uint32 {
	scramble := func(k uint32) uint32 { return bits.RotateLeft32(k*0xcc9e2d51, 15) * 0x1b873593 }
	var h uint32
	rest := []byte(data)
	for ; len(rest) >= 4; rest = rest[4:] {
		h ^= scramble(binary.LittleEndian.Uint32(rest))
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var tail [4]byte
	copy(tail[:], rest)
	h ^= scramble(binary.LittleEndian.Uint32(tail[:]))
	h ^= uint32(len(data))
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// reference decides like a Table, but slowly and without cleverness: every service is looked at for
// every request, paths are lists of segments, shares are fractions.
type reference struct {
	conf   *config.Config
	in     intents
	status func(service, pool, url string) router.Status
}

// answer is a decision by names.
type answer struct {
	service, pool string
	cause         router.Cause
	from          string // the pool the target comes from
	sticky, issue string
	err           error
}

func (r *reference) decide(q *router.Request, rnd [2]uint64) answer {
	path, ok := segments(q.Path)
	if !ok {
		return answer{err: router.ErrBadPath}
	}
	s := r.match(hostName(q.Host), path)
	if s == nil {
		return answer{err: router.ErrNoService}
	}
	a := answer{service: s.Name, sticky: stickyKey(s, q.Header)}
	r.choose(s, q, path, rnd, &a)
	if s.Pool(a.pool) == nil {
		a.pool, a.err = "", router.ErrNoPool
		return a
	}
	a.from = a.pool
	baseline, _, _ := r.roles(s)
	named := a.cause == router.ByListener || a.cause == router.ByOverride
	if !r.usable(s, a.pool) && !named {
		a.from = baseline
	}
	if !r.usable(s, a.from) {
		a.from, a.err = "", router.ErrNoTarget
	}
	return a
}

func (r *reference) weights(s *config.Service) config.Weights {
	if w := r.in[s.Name].Weights; w != nil {
		return w
	}
	return s.Weights
}

func (r *reference) roles(s *config.Service) (baseline, candidate, idle string) {
	w := r.weights(s)
	in := r.in[s.Name]
	baseline = in.Baseline
	if s.Pool(baseline) == nil {
		baseline = s.Pools[0].Name
		for _, p := range s.Pools {
			if w[p.Name] > w[baseline] {
				baseline = p.Name
			}
		}
	}
	var others, zero []string
	for _, p := range s.Pools {
		if p.Name == baseline {
			continue
		}
		others = append(others, p.Name)
		if w[p.Name] == 0 {
			zero = append(zero, p.Name)
		}
	}
	switch {
	case slices.Contains(others, in.Candidate):
		return baseline, in.Candidate, in.Candidate
	case len(others) == 1:
		return baseline, others[0], others[0]
	case len(zero) == 1:
		return baseline, "", zero[0]
	}
	return baseline, "", ""
}

func (r *reference) resolve(s *config.Service, pool string) string {
	baseline, candidate, idle := r.roles(s)
	switch pool {
	case "baseline", "live":
		return baseline
	case "candidate":
		return candidate
	case "idle":
		return idle
	}
	return pool
}

func stickyKey(s *config.Service, h router.Header) string {
	for _, k := range s.Sticky.Key {
		v := h.Get(k.Header)
		if k.Header == "" {
			v = cookieValue(h.Get("Cookie"), k.Cookie+k.IssueCookie)
		}
		if k.IssueCookie != "" && (len(v) != 32 || strings.Trim(v, "0123456789abcdef") != "") {
			continue
		}
		if v != "" && len(v) <= 256 {
			return v
		}
	}
	return ""
}

func cookieValue(header, name string) string {
	for pair := range strings.SplitSeq(header, ";") {
		v, ok := strings.CutPrefix(strings.TrimSpace(pair), name+"=")
		if !ok {
			continue
		}
		if len(v) >= 2 && strings.HasPrefix(v, `"`) && strings.HasSuffix(v, `"`) {
			v = v[1 : len(v)-1]
		}
		return v
	}
	return ""
}

// choose fills in pool, cause and the cookie to issue; the pool may be one that does not exist.
func (r *reference) choose(s *config.Service, q *router.Request, path []string, rnd [2]uint64, a *answer) {
	if q.Pool != "" {
		a.pool, a.cause = r.resolve(s, q.Pool), router.ByListener
		return
	}
	trust := r.conf.Trust.Override
	believed := slices.ContainsFunc(trust.From, func(p netip.Prefix) bool { return p.Contains(q.Client.Unmap()) })
	if named := q.Header.Get(trust.Header); believed && named != "" {
		a.pool, a.cause = r.resolve(s, named), router.ByOverride
		return
	}
	for _, rule := range s.Rules {
		to := r.resolve(s, rule.To)
		if s.Pool(to) != nil && holds(rule.When, path, a.sticky, q.Header) {
			a.pool, a.cause = to, router.ByRule
			return
		}
	}
	key := a.sticky
	for _, k := range s.Sticky.Key {
		if key == "" && k.IssueCookie != "" {
			a.issue = k.IssueCookie
		}
	}
	if a.issue != "" {
		key = fmt.Sprintf("%016x%016x", rnd[0], rnd[1])
	}
	if key != "" {
		a.pool, a.cause = r.byKey(s, key), router.ByKey
		return
	}
	a.pool, a.cause = r.byChance(s, rnd[0]>>32), router.ByChance
}

func holds(m config.Match, path []string, key string, h router.Header) bool {
	for _, want := range m.Header {
		if h.Get(want.Name) != want.Value {
			return false
		}
	}
	return under(path, m.PathPrefix) && (m.Users == nil || slices.Contains(m.Users, key))
}

func fraction(a, b uint64) *big.Rat {
	return new(big.Rat).SetFrac(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b))
}

// byKey walks the pools other than the baseline; each takes its share of what is left.
func (r *reference) byKey(s *config.Service, key string) string {
	baseline, candidate, _ := r.roles(s)
	seed := s.Name
	if c := s.Pool(candidate); s.Sticky.Seed == config.SeedVersion && c != nil && c.Version != "" {
		seed += "@" + c.Version
	}
	left := uint64(10000)
	for _, p := range s.Pools {
		w := uint64(r.weights(s)[p.Name])
		if p.Name == baseline || w == 0 {
			continue
		}
		u := fraction(uint64(murmur(seed+"/"+p.Name+"/"+key)), 1<<32)
		if u.Cmp(fraction(w, left)) < 0 {
			return p.Name
		}
		left -= w
	}
	return baseline
}

func (r *reference) byChance(s *config.Service, position uint64) string {
	baseline, _, _ := r.roles(s)
	sum := uint64(0)
	for _, p := range s.Pools {
		if p.Name == baseline {
			continue
		}
		sum += uint64(r.weights(s)[p.Name])
		if fraction(position, 1<<32).Cmp(fraction(sum, 10000)) < 0 {
			return p.Name
		}
	}
	return baseline
}

// usable: a target is up, or none is up and one is unknown.
func (r *reference) usable(s *config.Service, pool string) bool {
	return slices.ContainsFunc(s.Pool(pool).Targets, func(t config.Target) bool {
		return r.status(s.Name, pool, t.URL) != router.Down
	})
}

// mayServe reports whether a target of a usable pool can be picked now.
func (r *reference) mayServe(s *config.Service, pool, target string) bool {
	var n [3]int
	all := s.Pool(pool).Targets
	for _, t := range all {
		n[r.status(s.Name, pool, t.URL)]++
	}
	baseline, _, _ := r.roles(s)
	switch own := r.status(s.Name, pool, target); {
	case n[router.Up] == 0:
		return own == router.Unknown
	case pool == baseline && n[router.Up]*100 < s.Health.PanicBelow*len(all):
		return true
	default:
		return own == router.Up
	}
}
