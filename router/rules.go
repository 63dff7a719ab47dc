package router

import (
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/config"
)

// rule sends what it matches to a pool.
type rule struct {
	headers []config.HeaderMatch
	users   map[string]bool
	prefix  string // without trailing slash; "" is every path
	pool    *Pool
}

func (s *Service) compileRules() {
	for _, r := range s.Config.Rules {
		pool := s.Resolve(r.To)
		if pool == nil {
			continue // a role nobody has now
		}
		c := rule{headers: r.When.Header, prefix: strings.TrimRight(r.When.PathPrefix, "/"), pool: pool}
		if r.When.Users != nil {
			c.users = make(map[string]bool, len(r.When.Users))
			for _, u := range r.When.Users {
				c.users[u] = true
			}
		}
		s.rules = append(s.rules, c)
	}
}

// rule returns the pool of the first rule that matches, nil when none does.
func (s *Service) rule(path, key string, h Header) *Pool {
	for i := range s.rules {
		r := &s.rules[i]
		if under(path, r.prefix) && (r.users == nil || r.users[key]) && headersMatch(r.headers, h) {
			return r.pool
		}
	}
	return nil
}

func headersMatch(want []config.HeaderMatch, h Header) bool {
	return !slices.ContainsFunc(want, func(m config.HeaderMatch) bool { return h.Get(m.Name) != m.Value })
}
