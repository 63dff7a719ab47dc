package config

import (
	"fmt"
	"slices"
	"time"
)

// maxListeners is far more than a process can use well; each is compared with all others.
const maxListeners = 256

// shortest is the least duration where zero would make no sense.
const shortest = time.Millisecond

func (p *parser) listeners(n *node) []Listener {
	if n == nil {
		return defaultListeners()
	}
	var all []Listener
	fields := p.mapping(n)
	if len(fields) > maxListeners {
		p.spoil(n, flaw{fmt.Sprintf("there are more than %d listeners", maxListeners), ""})
		return nil
	}
	for _, f := range fields {
		all = append(all, p.listener(p.name(f.key), f.value))
	}
	if len(all) == 0 {
		p.report(n, flaw{"there is no listener", "remove the key for the default, or name one"})
	}
	return all
}

func (p *parser) listener(name string, n *node) Listener {
	l := Listener{Name: name}
	setTimeouts(&l)
	o := p.object(n, "address", "tls", "pool", "timeouts")
	at := p.need(o, "address", `write host:port, such as ":8080"`)
	l.Address = p.checked(at, address)
	l.TLS = p.tls(o.at("tls"))
	l.Pool = p.listenerPool(o.at("pool"))
	t := p.object(o.at("timeouts"), "header", "idle")
	l.Timeouts.Header = p.duration(t.at("header"), shortest, l.Timeouts.Header)
	l.Timeouts.Idle = p.duration(t.at("idle"), shortest, l.Timeouts.Idle)
	return l
}

// listenerPool is a role or a pool that at least one service has.
func (p *parser) listenerPool(n *node) string {
	name := p.text(n)
	if name != "" && !IsRole(name) && !slices.Contains(p.pools, name) {
		p.report(n, flaw{"no service has a pool " + quote(name), p.nearest(name, append(roles(), p.pools...))})
	}
	return name
}

func (p *parser) tls(n *node) *TLS {
	if n == nil {
		return nil
	}
	o := p.object(n, "certificates")
	at := p.need(o, "certificates", "list pairs: [{cert: shop.crt, key: shop.key}]")
	t := &TLS{}
	for _, item := range p.list(at) {
		pair := p.object(item, "cert", "key")
		t.Certificates = append(t.Certificates, Certificate{
			Cert: p.filename(p.need(pair, "cert", "name the PEM file of the chain")),
			Key:  p.filename(p.need(pair, "key", "name the PEM file of the private key")),
		})
	}
	if at != nil && len(t.Certificates) == 0 {
		p.report(at, flaw{"lists no certificate", "list pairs: [{cert: shop.crt, key: shop.key}]"})
	}
	return t
}

// checkAddresses reports what cannot be listened on at the same time, the admin address included.
func (p *parser) checkAddresses(o object, c *Config) {
	type use struct {
		of, address string
		at          *node
	}
	uses := []use{{"admin", c.Admin.Address, o.at("admin").child("address")}}
	for _, l := range c.Listeners {
		uses = append(uses, use{"listener " + l.Name, l.Address, o.at("listeners").child(l.Name).child("address")})
	}
	for i, u := range uses {
		if u.at == nil {
			continue
		}
		for j, other := range uses {
			if j != i && (j < i || other.at == nil) && collide(u.address, other.address) {
				p.report(u.at, flaw{quote(u.address) + " is taken by " + other.of + other.at.whereabouts(), "give it another port"})
				break
			}
		}
	}
}

// whereabouts is " in line 3", or where a default comes from.
func (n *node) whereabouts() string {
	if n == nil {
		return ", by default"
	}
	return fmt.Sprintf(" in line %d", n.line)
}
