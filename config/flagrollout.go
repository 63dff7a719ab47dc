package config

import "strings"

// flagPrefix begins the name of the service that a flag under the judge stands for. No service of a file
// can be called so.
const flagPrefix = "flag:"

// FlagService is the name of the service that stands for a flag's percentage: its pools are VariantOff and
// VariantOn, and its weights say how many users have the flag.
func FlagService(flag string) string { return flagPrefix + flag }

// FlagOf is the flag that a service stands for, "" for a service of the file.
func FlagOf(service string) string {
	name, ok := strings.CutPrefix(service, flagPrefix)
	if !ok {
		return ""
	}
	return name
}

// flagRollout reads rollout and adds the service that the judge moves in place of the flag.
func (p *parser) flagRollout(f *Flag, o object) *FlagRollout {
	n := blank(o.at("rollout"))
	if n == nil {
		return nil
	}
	r := p.rollout(n, "service")
	at := n.child("service")
	if at == nil {
		p.report(n, flaw{"service is missing", "name the service whose requests are compared"})
	}
	fr := &FlagRollout{Service: p.text(at)}
	p.flagServices = append(p.flagServices, flagService{f.Name, fr.Service, f.Value, r, at, n})
	if f.Strategy != ByPercentage && f.Strategy != "" {
		p.report(n, flaw{"needs strategy percentage", "write {strategy: percentage, value: 0}; the rollout moves the value"})
	}
	return fr
}

// flagService is a flag with a rollout, until the services of the file are known.
type flagService struct {
	flag, service string
	value         Weight
	rollout       *Rollout
	at, node      *node
}

// flagged adds a service for each flag with a rollout. It has the sticky key and the deadline of drains of
// the service whose requests it is about, and no target.
func (p *parser) flagged(services []Service) []Service {
	var names []string
	for i := range services {
		names = append(names, services[i].Name)
	}
	all := services
	for _, f := range p.flagServices {
		of := (&Config{Services: services}).Service(f.service)
		switch {
		case f.rollout == nil || f.service == "":
			continue
		case of == nil:
			p.report(f.at, flaw{"there is no service " + quote(f.service), p.nearest(f.service, names)})
			continue
		case len(of.Sticky.Key) == 0:
			p.report(f.at, flaw{f.service + " has no sticky.key, so its requests do not tell whose they are", "say what names a user: sticky: {key: [{header: X-User-ID}]}"})
		}
		if f.rollout.Start != StartManual {
			p.report(f.node.child("start"), flaw{"a flag has no version that could start it", "remove start"})
		}
		p.checkDeadline(f.rollout, f.node)
		p.checkHoldback(f.rollout, f.node)
		p.checkFlagChecks(f.rollout, f.node)
		all = append(all, Service{
			Name: FlagService(f.flag), Of: f.service,
			Pools:   []Pool{{Name: VariantOff}, {Name: VariantOn}},
			Weights: Weights{VariantOff: Full - f.value, VariantOn: f.value},
			Balance: LeastInflight, Sticky: of.Sticky, Health: defaultHealth(), Timeouts: defaultTimeouts(),
			Host: defaultHost, Drain: of.Drain, Rollout: f.rollout,
		})
	}
	return all
}
