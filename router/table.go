// Package router decides where a request goes. A Table is compiled from the configuration and the
// intents, is immutable, and answers Decide without a clock, dice, locks or allocation: time and chance
// are arguments. It does no I/O and never logs.
package router

import (
	"errors"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
)

// Intent is what the durable state says of a service.
type Intent struct {
	Weights   config.Weights // nil: the file's weights are in force
	Baseline  string         // "": the heaviest pool, ties in file order
	Candidate string         // "": with two pools the other one, else none
	Revision  int64          // of the state; it tells weights apart that were in force one after the other
}

// Table is every service, compiled. Build one with Compile; it is never changed afterwards, except for
// the atomics in each target's State.
type Table struct {
	Config   *config.Config
	Flags    *flags.Set // nil: none
	Services []*Service // in file order
	Pools    []*Pool    // every pool of every service; Pool.Index is its place here

	byName   map[string]*Service
	exact    map[string]*paths // by lower-case host
	wildcard map[string]*paths // by the suffix behind "*", with its dot
	any      *paths
	trust    trust
}

// Service is one service of a table.
type Service struct {
	Name      string
	Config    *config.Service
	Pools     []*Pool        // in file order
	Weights   config.Weights // in force
	Revision  int64          // of the state they come from
	Baseline  *Pool
	Candidate *Pool         // nil when there is none
	Told      []*flags.Flag // whose variants upstream is told
	Compared  []*Comparison // flags under the judge whose users' requests are compared here

	sticky sticky
	early  bool // a key is minted before the rules: a flag asks for it
	rules  []rule
	split  []share // the pools other than the baseline, in file order
	ratios []config.Check
}

// Comparison is a flag whose rollout compares the requests of a service. Of stands for the flag's percentage:
// Off and On are its pools.
type Comparison struct {
	Flag    *flags.Flag
	Of      *Service
	Off, On *Pool
}

// Pool is one pool of a service.
type Pool struct {
	Service *Service
	Name    string
	Version string
	Index   int           // in Table.Pools
	Weight  config.Weight // in force
	Targets []*Target

	ring  []int    // round robin: target indexes in turn
	state *poolRun // carried over like a target's State
}

// Target is one address of a pool. Tables made one after the other share the State of a target that
// keeps its service, pool and URL.
type Target struct {
	*State
	Pool   *Pool
	URL    string // scheme://host:port
	Addr   string // host:port
	TLS    bool   // https
	H2C    bool   // HTTP/2 without TLS
	Weight int
}

// Errors of Decide.
var (
	ErrNoService = errors.New("no service matches this host and path")
	ErrNoTarget  = errors.New("no target can serve")
	ErrBadPath   = errors.New("path cannot be matched")
	ErrNoPool    = errors.New("no such pool")
)

// Service returns the service of that name, nil when there is none.
func (t *Table) Service(name string) *Service {
	if t == nil {
		return nil
	}
	return t.byName[name]
}

// Pool returns the pool of that name, nil when there is none.
func (s *Service) Pool(name string) *Pool {
	for _, p := range s.Pools {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// EarlyKey reports whether a user without a key gets one before the rules are asked, because flags ask for it.
func (s *Service) EarlyKey() bool { return s.early }

// Idle is the pool that is not live: the candidate if there is one, else the only pool with weight 0,
// else nil.
func (s *Service) Idle() *Pool {
	if s.Candidate != nil {
		return s.Candidate
	}
	var idle *Pool
	for _, p := range s.Pools {
		if p.Weight != 0 || p == s.Baseline {
			continue
		}
		if idle != nil {
			return nil
		}
		idle = p
	}
	return idle
}

// Resolve turns a pool name or a role into a pool, nil when there is none.
func (s *Service) Resolve(name string) *Pool {
	switch name {
	case config.RoleBaseline, config.RoleLive:
		return s.Baseline
	case config.RoleCandidate:
		return s.Candidate
	case config.RoleIdle:
		return s.Idle()
	}
	return s.Pool(name)
}

// Count is how many targets of the pool have that status.
func (p *Pool) Count(status Status) int {
	n := 0
	for _, t := range p.Targets {
		if t.Status() == status {
			n++
		}
	}
	return n
}

// InFlight is how many requests the pool serves now.
func (p *Pool) InFlight() int64 {
	var n int64
	for _, t := range p.Targets {
		n += t.InFlight()
	}
	return n
}
