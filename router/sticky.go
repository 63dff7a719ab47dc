package router

import (
	"strings"

	"github.com/switchback-proxy/switchback/bucket"
	"github.com/switchback-proxy/switchback/config"
)

// maxKey bounds a sticky key: what is longer counts as absent.
const maxKey = 256

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

func (s *Service) compileSplit() {
	s.sticky.keys = s.Config.Sticky.Key
	for _, k := range s.sticky.keys {
		if k.IssueCookie != "" {
			s.sticky.issue = k.IssueCookie
		}
	}
	seed := s.seed()
	for _, p := range s.Pools {
		if p != s.Baseline {
			s.split = append(s.split, share{pool: p, prefix: seed + "/" + p.Name + "/"})
		}
	}
}

// seed names the candidate's version, so that the next version meets other users first.
func (s *Service) seed() string {
	if s.Config.Sticky.Seed == config.SeedVersion && s.Candidate != nil && s.Candidate.Version != "" {
		return s.Name + "@" + s.Candidate.Version
	}
	return s.Name
}

// find returns the first key present in a request, "" when there is none.
func (s *sticky) find(h Header) string {
	for i := range s.keys {
		k := &s.keys[i]
		switch {
		case k.Header != "":
			if v := h.Get(k.Header); v != "" && len(v) <= maxKey {
				return v
			}
		case k.Cookie != "":
			if v := cookie(h.Get("Cookie"), k.Cookie); v != "" && len(v) <= maxKey {
				return v
			}
		case k.IssueCookie != "":
			if v := cookie(h.Get("Cookie"), k.IssueCookie); isMinted(v) {
				return v
			}
		}
	}
	return ""
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
func (s *Service) byKey(key string) *Pool {
	remaining := uint64(config.Full)
	for i := range s.split {
		p := s.split[i].pool
		if p.Weight == 0 {
			continue
		}
		w := uint64(p.Weight) //nolint:gosec // a weight lies in 0–10000
		if bucket.Below(bucket.Of(s.split[i].prefix, key), w, remaining) {
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
