package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
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
	o := p.object(n, "address", "tls", "h2c", "fast", "pool", "timeouts", "serve", "tokens", "cors")
	at := p.need(o, "address", `write host:port, such as ":8080"`)
	l.Address = p.checked(at, address)
	l.TLS = p.tls(o.at("tls"))
	l.H2C = p.h2c(o)
	l.Fast = p.fast(o)
	l.Pool = p.listenerPool(o.at("pool"))
	p.serving(&l, o)
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

// h2c is HTTP/2 without TLS; with TLS there is HTTP/2 already.
func (p *parser) h2c(o object) bool {
	n := o.at("h2c")
	on := p.boolean(n)
	if on && o.at("tls") != nil {
		p.report(n, flaw{"h2c is HTTP/2 without TLS, and the listener has tls", "remove it; clients with TLS are offered HTTP/2 in any case"})
	}
	return on
}

// fast leaves it to the system and the protocol whether a listener can be served so.
func (p *parser) fast(o object) bool {
	if n := o.at("fast"); n != nil {
		return p.boolean(n)
	}
	return defaultFast
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

// serving reads what a listener serves in place of the services, and who may ask.
func (p *parser) serving(l *Listener, o object) {
	if at := o.at("serve"); at != nil {
		l.Serve = choice(p, at, "", ServeFlags)
		if pool := o.at("pool"); pool != nil {
			p.report(pool, flaw{"a listener that serves flags has no pool", "remove it"})
		}
	}
	lines := map[string]int{}
	for _, item := range p.list(o.at("tokens")) {
		s := p.object(item, "name", "file")
		name := p.need(s, "name", "a name tells in the log who asked")
		secret := Secret{
			Name: p.checked(name, tokenName),
			File: p.filename(p.need(s, "file", "name the file that holds the secret")),
		}
		p.once(name, secret.Name, lines)
		l.Tokens = append(l.Tokens, secret)
	}
	l.CORS = p.distinct(o.at("cors"), origin)
	for _, key := range []string{"tokens", "cors"} {
		if at := o.at(key); at != nil && o.at("serve") == nil {
			p.report(at, flaw{key + " is for a listener that serves flags", "add serve: flags, or remove it"})
		}
	}
}

// origin is what a browser sends as Origin (RFC 6454 §7), or "*".
func origin(s string) (string, *flaw) {
	if s == "*" {
		return s, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || s != u.Scheme+"://"+strings.ToLower(u.Host) {
		return "", &flaw{quote(s) + " is not an origin", `write it like https://shop.example.com, without a path, or "*"`}
	}
	return s, nil
}
