package config

import (
	"slices"
	"strings"
	"time"
)

// Scoped reports whether a token is for some services or flags only. The rest of the API, such as what is about
// the node, is then closed to it.
func (t *Token) Scoped() bool { return len(t.Services) > 0 || len(t.Flags) > 0 }

// Covers reports whether a token is for a service. One that stands for a flag goes with the flag.
func (t *Token) Covers(service string) bool {
	if flag := FlagOf(service); flag != "" {
		return t.CoversFlag(flag)
	}
	return !t.Scoped() || slices.Contains(t.Services, service)
}

// CoversFlag reports whether a token is for a flag.
func (t *Token) CoversFlag(name string) bool {
	if !t.Scoped() {
		return true
	}
	return slices.ContainsFunc(t.Flags, func(flag string) bool {
		if begin, many := strings.CutSuffix(flag, "*"); many {
			return strings.HasPrefix(name, begin)
		}
		return flag == name
	})
}

// Expired reports whether the time of a token is over.
func (t *Token) Expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// tokenServices reads the services a token is for. They have to be there: a word that is not would open nothing
// and be found out when it is needed.
func (p *parser) tokenServices(n *node, services []Service) []string {
	var known, all []string
	for i := range services {
		known = append(known, services[i].Name)
	}
	lines := map[string]int{}
	for _, item := range p.some(n) {
		name := p.text(item)
		p.once(item, name, lines)
		if name != "" && len(known) > 0 && !slices.Contains(known, name) {
			p.spoil(item, flaw{"there is no service " + quote(name), p.nearest(name, known)})
			continue
		}
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// tokenFlags reads the flags a token is for. They need not be there: flags are made at run time.
func (p *parser) tokenFlags(n *node) []string {
	var all []string
	lines := map[string]int{}
	for _, item := range p.some(n) {
		name := p.checked(item, func(s string) (string, *flaw) {
			if begin, many := strings.CutSuffix(s, "*"); many && (begin == "" || nameFlaw(begin) == nil) {
				return s, nil
			}
			if nameFlaw(s) != nil {
				return "", &flaw{quote(s) + " is not a flag", "write a name such as new-checkout, or how names begin and a star: checkout-*"}
			}
			return s, nil
		})
		p.once(item, name, lines)
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// some reads a list that is not empty: one that names nothing would look like everything.
func (p *parser) some(n *node) []*node {
	items := p.list(n)
	if n != nil && !n.bad && len(items) == 0 {
		p.report(n, flaw{"names nothing", "leave it out to let the token do everything"})
	}
	return items
}

// expiry reads the end of a token: a moment, or a day, which is the last one.
func (p *parser) expiry(n *node) time.Time {
	var at time.Time
	p.checked(n, func(s string) (string, *flaw) {
		day, err := time.Parse(time.DateOnly, s)
		if err == nil {
			at = day.AddDate(0, 0, 1)
			return s, nil
		}
		if at, err = time.Parse(time.RFC3339, s); err != nil {
			return "", &flaw{quote(s) + " is not a date", "write the last day, such as 2027-12-31 (UTC), or a moment, such as 2027-12-31T18:00:00Z"}
		}
		at = at.UTC()
		return s, nil
	})
	return at
}
