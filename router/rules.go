package router

import (
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
)

// rule sends what it matches to a pool.
type rule struct {
	index   int // in the file
	headers []config.HeaderMatch
	users   map[string]bool
	flagged bool        // a flag has to give the user something else than its Off
	flag    *flags.Flag // nil: it is not there
	prefix  string      // without trailing slash; "" is every path
	pool    *Pool
}

func (s *Service) compileRules(all *flags.Set) {
	for i, r := range s.Config.Rules {
		pool := s.Resolve(r.To)
		if pool == nil {
			continue // a role nobody has now
		}
		c := rule{index: i, headers: r.When.Header, prefix: strings.TrimRight(r.When.PathPrefix, "/"), pool: pool}
		if r.When.Flag != "" {
			c.flagged, c.flag = true, all.Flag(r.When.Flag)
			s.early = true
		}
		if r.When.Users != nil {
			c.users = make(map[string]bool, len(r.When.Users))
			for _, u := range r.When.Users {
				c.users[u] = true
			}
		}
		s.rules = append(s.rules, c)
	}
}

// Part is a part of a rule.
type Part uint8

// The parts, in the order in which they are looked at. Nothing: all of them hold.
const (
	Nothing Part = iota
	ThePath
	TheUser
	TheHeader
	TheFlag
)

// rule returns the pool of the first rule that matches, nil when none does.
func (s *Service) rule(path, key string, h Header, tr *trace) *Pool {
	for i := range s.rules {
		r := &s.rules[i]
		missing := r.missing(path, key, h)
		if tr != nil {
			tr.rule(r, missing, key, h)
		}
		if missing == Nothing {
			return r.pool
		}
	}
	return nil
}

// missing is the first part that does not hold.
func (r *rule) missing(path, key string, h Header) Part {
	switch {
	case !under(path, r.prefix):
		return ThePath
	case r.users != nil && !r.users[key]:
		return TheUser
	case mismatch(r.headers, h) >= 0:
		return TheHeader
	case !r.has(key):
		return TheFlag
	}
	return Nothing
}

// has reports whether the flag of the rule, if it has one, gives the user something else than its Off. A
// request says nothing of a user but the key.
func (r *rule) has(key string) bool {
	if !r.flagged {
		return true
	}
	return r.flag != nil && r.flag.Evaluate(&flags.Context{Key: key}).Has
}

// mismatch is the place of the first header that is not as wanted, -1 when all are.
func mismatch(want []config.HeaderMatch, h Header) int {
	return slices.IndexFunc(want, func(m config.HeaderMatch) bool { return h.Get(m.Name) != m.Value })
}
