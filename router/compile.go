package router

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
)

// trust is who may say where a request comes from and where it goes.
type trust struct {
	proxies []netip.Prefix
	header  string
	from    []netip.Prefix
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap() // a socket for both families sees IPv4 as ::ffff:10.0.0.1
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Compile builds the table for a configuration, the intents by service name and the flags. Targets that
// keep their service, pool and URL take their State from prev, which may be nil. A rule about a flag that is
// not there never matches. Everything that can go wrong goes
// wrong here: an error names the service and what does not fit, and prev stays as it was.
func Compile(c *config.Config, in map[string]Intent, f *flags.Set, prev *Table) (*Table, error) {
	t := &Table{
		Config:   c,
		Flags:    f,
		byName:   make(map[string]*Service, len(c.Services)),
		exact:    map[string]*paths{},
		wildcard: map[string]*paths{},
		any:      &paths{},
		trust:    trust{c.Trust.Proxies, c.Trust.Override.Header, c.Trust.Override.From},
	}
	for i := range c.Services {
		cs := &c.Services[i]
		s, err := t.compileService(cs, in[cs.Name], prev.Service(cs.Name))
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", cs.Name, err)
		}
		t.Services = append(t.Services, s)
		t.byName[s.Name] = s
		if err := t.mount(s); err != nil {
			return nil, fmt.Errorf("service %s: %w", cs.Name, err)
		}
	}
	for _, s := range t.Services {
		t.compare(s)
	}
	return t, nil
}

// compare hangs a service that stands for a flag on the one whose requests are compared.
func (t *Table) compare(s *Service) {
	of, flag := t.byName[s.Config.Of], t.Flags.Flag(config.FlagOf(s.Name))
	if of == nil || flag == nil {
		return
	}
	of.Compared = append(of.Compared, &Comparison{
		Flag: flag, Of: s, Off: s.Pool(config.VariantOff), On: s.Pool(config.VariantOn),
	})
	of.early = true
}

func (t *Table) compileService(cs *config.Service, in Intent, prev *Service) (*Service, error) {
	weights := in.Weights
	if weights == nil {
		weights = cs.Weights
	}
	s := &Service{Name: cs.Name, Config: cs, Weights: weights, Revision: in.Revision}
	for name, w := range weights {
		if w != 0 && cs.Pool(name) == nil {
			return nil, fmt.Errorf("%s has %s of the traffic but is not a pool", name, w)
		}
		if w < 0 || w > config.Full {
			return nil, fmt.Errorf("%s has %s of the traffic", name, w)
		}
	}
	if sum := weights.Sum(); sum != config.Full {
		return nil, fmt.Errorf("weights add up to %s", sum)
	}
	for i := range cs.Pools {
		p := compilePool(s, &cs.Pools[i], prev)
		p.Index = len(t.Pools)
		t.Pools = append(t.Pools, p)
		s.Pools = append(s.Pools, p)
	}
	s.assignRoles(in)
	s.compileSplit(t.Flags)
	s.compileRules(t.Flags)
	for _, name := range cs.Flags {
		if flag := t.Flags.Flag(name); flag != nil {
			s.Told = append(s.Told, flag)
			s.early = true
		}
	}
	s.compileRatios()
	return s, nil
}

func compilePool(s *Service, cp *config.Pool, prev *Service) *Pool {
	p := &Pool{Service: s, Name: cp.Name, Version: cp.Version, Weight: s.Weights[cp.Name], state: new(poolRun)}
	states := map[string]*State{}
	if prev != nil {
		if old := prev.Pool(cp.Name); old != nil {
			p.state = old.state
			for _, t := range old.Targets {
				states[t.URL] = t.State
			}
		}
	}
	for _, ct := range cp.Targets {
		scheme, addr, _ := strings.Cut(ct.URL, "://")
		state := states[ct.URL]
		if state == nil {
			state = new(State)
		}
		p.Targets = append(p.Targets, &Target{
			State: state, Pool: p, URL: ct.URL, Addr: addr, TLS: scheme == "https", H2C: scheme == "h2c", Weight: ct.Weight,
		})
	}
	p.ring = ring(p.Targets)
	return p
}

func (s *Service) assignRoles(in Intent) {
	s.Baseline = s.Pool(in.Baseline)
	if s.Baseline == nil {
		s.Baseline = s.heaviest()
	}
	s.Candidate = s.Pool(in.Candidate)
	if s.Candidate == s.Baseline { // what is live is no longer tried
		s.Candidate = nil
	}
	if s.Candidate == nil && len(s.Pools) == 2 {
		s.Candidate = s.Pools[0]
		if s.Candidate == s.Baseline {
			s.Candidate = s.Pools[1]
		}
	}
}

// heaviest breaks ties in file order.
func (s *Service) heaviest() *Pool {
	best := s.Pools[0]
	for _, p := range s.Pools[1:] {
		if p.Weight > best.Weight {
			best = p
		}
	}
	return best
}

// paths is the services of one host by path prefix, without the trailing slash: "" is every path.
type paths struct {
	prefix  map[string]*Service
	longest int
}

func (t *Table) mount(s *Service) error {
	if s.Config.Of != "" {
		return nil // no request is sent to what stands for a flag
	}
	if len(s.Config.Hosts) == 0 {
		return t.any.add(s, "any host")
	}
	for _, host := range s.Config.Hosts {
		at, key := t.exact, strings.ToLower(host)
		if suffix, ok := strings.CutPrefix(key, "*"); ok {
			at, key = t.wildcard, suffix
		}
		if at[key] == nil {
			at[key] = &paths{}
		}
		if err := at[key].add(s, host); err != nil {
			return err
		}
	}
	return nil
}

func (p *paths) add(s *Service, host string) error {
	if p.prefix == nil {
		p.prefix = map[string]*Service{}
	}
	for _, path := range s.Config.Paths {
		key := strings.TrimRight(path, "/")
		if other := p.prefix[key]; other != nil {
			return fmt.Errorf("%s%s belongs to service %s already", host, path, other.Name)
		}
		p.prefix[key] = s
		p.longest = max(p.longest, len(key))
	}
	return nil
}
