package config

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Effective is the configuration as a file could say it, as JSON, with every default written out and the keys in
// the order of the documentation. Parse reads it again and means the same, but for what is masked: addresses that are
// called, whose paths may be secrets, keep only scheme and host. Secrets that stand in files are named by their file.
func (c *Config) Effective() ([]byte, error) {
	return json.Marshal(shown{}.
		set("listeners", each(c.Listeners, func(l Listener) string { return l.Name }, showListener)).
		set("admin", c.Admin.show()).
		set("state", shown{}.set("dir", c.State.Dir)).
		set("trust", c.Trust.show()).
		set("shutdown", shown{}.set("delay", span(c.Shutdown.Delay)).set("timeout", span(c.Shutdown.Timeout))).
		set("log", shown{}.set("level", c.Log.Level).set("access", c.Log.Access)).
		set("metrics", shown{}.set("exemplars", c.Metrics.Exemplars)).
		some("outbound", shown{}.some("allow", c.Outbound.Allow)).
		set("services", c.showServices()).
		some("flags", c.showFlags()))
}

// shown is a mapping that keeps its order.
type shown []shownField

type shownField struct {
	key   string
	value any
}

// MarshalJSON writes the members in order, and characters as they are: who writes the whole may escape them.
func (s shown) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, f := range s {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(f.key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := e.Encode(f.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (s shown) set(key string, value any) shown { return append(s, shownField{key, value}) }

// some is set, unless the value says nothing.
func (s shown) some(key string, value any) shown {
	switch v := value.(type) {
	case string:
		if v == "" {
			return s
		}
	case bool:
		if !v {
			return s
		}
	case []string:
		if len(v) == 0 {
			return s
		}
	case []shown:
		if len(v) == 0 {
			return s
		}
	case shown:
		if len(v) == 0 {
			return s
		}
	}
	return s.set(key, value)
}

// each is a mapping by name.
func each[T any](all []T, name func(T) string, show func(T) shown) shown {
	s := shown{}
	for _, v := range all {
		s = s.set(name(v), show(v))
	}
	return s
}

// span is a duration as the file has it.
func span(d time.Duration) string { return brief(d) }

// percentOf is a fraction in percent, with the digits that make the same fraction again.
func percentOf(f float64) json.Number {
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	e, _ := strconv.Atoi(exponent) // FormatFloat wrote it
	v, _ := strconv.ParseFloat(digits+"e"+strconv.Itoa(e+2), 64)
	return plainNumber(v)
}

// plainNumber has no exponent: the file knows none.
func plainNumber(v float64) json.Number { return json.Number(strconv.FormatFloat(v, 'f', -1, 64)) }

// masked is an address to call without what may be a secret.
func masked(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.RequestURI() == "/" {
		return address
	}
	return u.Scheme + "://" + u.Host + "/***"
}

func showListener(l Listener) shown {
	s := shown{}.set("address", l.Address)
	if l.TLS != nil {
		var pairs []shown
		for _, c := range l.TLS.Certificates {
			pairs = append(pairs, shown{}.set("cert", c.Cert).set("key", c.Key))
		}
		s = s.set("tls", shown{}.set("certificates", pairs))
	}
	s = s.some("h2c", l.H2C).set("fast", l.Fast).some("pool", l.Pool).some("serve", l.Serve)
	var tokens []shown
	for _, t := range l.Tokens {
		tokens = append(tokens, shown{}.set("name", t.Name).set("file", t.File))
	}
	return s.some("tokens", tokens).some("cors", l.CORS).
		set("timeouts", shown{}.set("header", span(l.Timeouts.Header)).set("idle", span(l.Timeouts.Idle)))
}

func (a Admin) show() shown {
	var tokens []shown
	for _, t := range a.Tokens {
		token := shown{}.set("name", t.Name).set("role", t.Role).set("file", t.File).some("services", t.Services).some("flags", t.Flags)
		if !t.Expires.IsZero() {
			token = token.set("expires", t.Expires.Format(time.RFC3339))
		}
		tokens = append(tokens, token)
	}
	return shown{}.set("address", a.Address).some("url", a.URL).some("hosts", bracketed(a.Hosts)).some("tokens", tokens)
}

func (t Trust) show() shown {
	return shown{}.some("proxies", prefixTexts(t.Proxies)).
		set("override", shown{}.set("header", t.Override.Header).some("from", prefixTexts(t.Override.From)))
}

func prefixTexts(all []netip.Prefix) []string {
	var texts []string
	for _, p := range all {
		texts = append(texts, p.String())
	}
	return texts
}

// bracketed is hosts as the file has them: IPv6 in brackets.
func bracketed(hosts []string) []string {
	var all []string
	for _, h := range hosts {
		if strings.Contains(h, ":") {
			h = "[" + h + "]"
		}
		all = append(all, h)
	}
	return all
}
