package router

import (
	"errors"

	"github.com/switchback-proxy/switchback/config"
)

// Errors of Cohort.
var (
	ErrNoCandidate = errors.New("no pool is the candidate")
	ErrNoKey       = errors.New("without sticky.key every request is drawn anew, so nobody belongs to a pool")
)

// Cohort tells who would meet the candidate of a service at some weight. It is immutable.
type Cohort struct {
	Candidate *Pool
	Hashed    string // what stands before the key

	service *Service
}

// Cohort is who meets the candidate when it has weight w and the baseline the rest, as in a rollout. It asks the
// service's own walk. Errors: ErrNoCandidate, ErrNoKey.
func (s *Service) Cohort(w config.Weight) (*Cohort, error) {
	if s.Candidate == nil {
		return nil, ErrNoCandidate
	}
	if len(s.sticky.keys) == 0 {
		return nil, ErrNoKey
	}
	asked := &Service{Name: s.Name, Config: s.Config, Baseline: s.Baseline, Candidate: s.Candidate, sticky: s.sticky}
	c := &Cohort{Candidate: s.Candidate, service: asked}
	for _, part := range s.split {
		p := *part.pool
		p.Weight = 0
		if part.pool == s.Candidate {
			p.Weight, c.Hashed = w, part.prefix
			asked.Candidate = &p
		}
		asked.split = append(asked.split, share{&p, part.prefix})
	}
	return c, nil
}

// Has reports whether the user with that key is one of them. A key that Accepts refuses never is.
func (c *Cohort) Has(key string) bool {
	return c.Accepts(key) && c.service.byKey(key, nil) == c.service.Candidate
}

// Accepts reports whether a request can bring that key: it is neither empty nor too long, and where only issued cookies
// count it is of their form.
func (c *Cohort) Accepts(key string) bool {
	for i := range c.service.sticky.keys {
		if key != "" && accepts(&c.service.sticky.keys[i], key) {
			return true
		}
	}
	return false
}
