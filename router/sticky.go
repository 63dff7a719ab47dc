package router

import (
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/bucket"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
)

// MaxKey bounds a sticky key in bytes: what is longer counts as absent.
const MaxKey = 256

// sticky is where a service finds the key of a request.
type sticky struct {
	keys  []config.StickyKey
	issue string // name of the cookie to mint; "" never
}

// share is one pool of the walk that splits the traffic.
type share struct {
	pool   *Pool
	prefix string // what bucket.Of hashes before the key
}

func (s *Service) compileSplit(all *flags.Set) {
	s.sticky.keys = s.Config.Sticky.Key
	for _, k := range s.sticky.keys {
		if k.IssueCookie != "" {
			s.sticky.issue = k.IssueCookie
		}
	}
	seed := s.seed()
	flag := all.Flag(s.Config.Sticky.Seed.Flag())
	for _, p := range s.Pools {
		if p == s.Baseline {
			continue
		}
		prefix := seed + "/" + p.Name + "/"
		if flag != nil { // of two pools, so the cohorts are the flag's
			prefix = flag.Prefix()
		}
		s.split = append(s.split, share{pool: p, prefix: prefix})
	}
}

// seed names the candidate's version, so that the next version meets other users first.
func (s *Service) seed() string {
	if s.Config.Sticky.Seed == config.SeedVersion && s.Candidate != nil && s.Candidate.Version != "" {
		return s.Name + "@" + s.Candidate.Version
	}
	return s.Name
}

// SplitsLike reports whether two tables send the same users to the same pools as far as weights are the same.
func (s *Service) SplitsLike(other *Service) bool {
	return s.Baseline.Name == other.Baseline.Name && slices.EqualFunc(s.split, other.split, func(a, b share) bool {
		return a.prefix == b.prefix && a.pool.Name == b.pool.Name
	})
}

// find returns the first key present in a request, "" when there is none.
func (s *sticky) find(h Header) string {
	for i := range s.keys {
		k := &s.keys[i]
		if v := read(k, h); v != "" && accepts(k, v) {
			return v
		}
	}
	return ""
}

// read is what a request has where a key may be.
func read(k *config.StickyKey, h Header) string {
	switch {
	case k.Header != "":
		return h.Get(k.Header)
	case k.Cookie != "":
		return cookie(h.Get("Cookie"), k.Cookie)
	case k.IssueCookie != "":
		return cookie(h.Get("Cookie"), k.IssueCookie)
	}
	return ""
}

// accepts reports whether a value is a key. Of a cookie that is issued only what was issued is.
func accepts(k *config.StickyKey, v string) bool {
	if k.IssueCookie != "" {
		return isMinted(v)
	}
	return len(v) <= MaxKey
}

// mintedLen is a 128-bit id in hexadecimal.
const mintedLen = 32

// isMinted accepts only ids of the form we mint: anything else is minted anew.
func isMinted(v string) bool {
	if len(v) != mintedLen {
		return false
	}
	for i := range len(v) {
		if strings.IndexByte(hexDigits, v[i]) < 0 {
			return false
		}
	}
	return true
}

// cookie finds a value in a Cookie field (RFC 6265 §4.2.1), "" when the name is not there.
func cookie(field, name string) string {
	for field != "" {
		var pair string
		pair, field, _ = strings.Cut(field, ";")
		n, v, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || n != name {
			continue
		}
		if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		return v
	}
	return ""
}

// byKey walks the pools other than the baseline in file order: each takes its share of what is left, so
// raising one pool's weight only moves users to it.
func (s *Service) byKey(key string, tr *trace) *Pool {
	remaining := uint64(config.Full)
	for i := range s.split {
		p := s.split[i].pool
		if p.Weight == 0 {
			continue
		}
		w := uint64(p.Weight) //nolint:gosec // a weight lies in 0–10000
		position := bucket.Of(s.split[i].prefix, key)
		taken := bucket.Below(position, w, remaining)
		if tr != nil {
			tr.turn(&s.split[i], position, remaining, taken)
		}
		if taken {
			return p
		}
		remaining -= w
	}
	return s.Baseline
}

// byChance draws a pool for one request.
func (s *Service) byChance(rnd uint64) *Pool {
	position := uint32(rnd >> 32)
	var sum uint64
	for i := range s.split {
		p := s.split[i].pool
		sum += uint64(p.Weight) //nolint:gosec // a weight lies in 0–10000
		if bucket.Below(position, sum, uint64(config.Full)) {
			return p
		}
	}
	return s.Baseline
}
