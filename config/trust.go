package config

import "net/netip"

func (p *parser) trust(n *node) Trust {
	o := p.object(n, "proxies", "override")
	by := p.object(o.at("override"), "header", "from")
	t := Trust{
		Proxies: p.prefixes(o.at("proxies")),
		Override: Override{
			Header: p.checked(by.at("header"), headerName),
			From:   p.prefixes(by.at("from")),
		},
	}
	if t.Override.Header == "" {
		t.Override.Header = defaultOverrideHeader
	}
	return t
}

func (p *parser) prefixes(n *node) []netip.Prefix {
	var all []netip.Prefix
	for _, item := range p.list(n) {
		s := p.text(item)
		if s == "" {
			continue
		}
		r, f := prefix(s)
		if f != nil {
			p.spoil(item, *f)
			continue
		}
		all = append(all, r)
	}
	return all
}
