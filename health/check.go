package health

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/router"
)

// check is all that a probe needs to know of its target. Two equal checks ask the same question in the
// same rhythm.
type check struct {
	service, pool string
	url           string // the target's, without a path
	path          string // what is asked for, with its query
	scheme, addr  string // addr is host:port
	host          string // the Host header
	every         time.Duration
	timeout       time.Duration
	passes, fails int
	accept        []config.StatusRange
	h2c           bool    // HTTP/2 without TLS
	grpc          *string // the service a gRPC check asks about; nil: it asks by HTTP
}

func newCheck(t *router.Target) check {
	s := t.Pool.Service.Config
	c := check{
		service: t.Pool.Service.Name,
		pool:    t.Pool.Name,
		url:     t.URL,
		path:    s.Health.Path,
		scheme:  "http",
		addr:    t.Addr,
		host:    strings.TrimSuffix(t.Addr, ":80"),
		every:   max(s.Health.Every, time.Millisecond), // a table made by hand may leave it out
		timeout: s.Health.Timeout,
		passes:  s.Health.Passes,
		fails:   s.Health.Fails,
		accept:  s.Health.Status,
		h2c:     t.H2C,
	}
	if g := s.Health.GRPC; g != nil {
		c.grpc = &g.Service
	}
	if t.TLS {
		c.scheme, c.host = "https", strings.TrimSuffix(t.Addr, ":443")
	}
	if s.Host != "" && s.Host != "preserve" && s.Host != "target" {
		c.host = s.Host
	}
	return c
}

func (c check) equal(o check) bool { return reflect.DeepEqual(c, o) }

// good reports whether an answer with that status passes.
func (c check) good(status int) bool {
	for _, r := range c.accept {
		if r.From <= status && status <= r.To {
			return true
		}
	}
	return false
}

// question names what is asked, without the query: it may hold a secret.
func (c check) question() string {
	path, _, _ := strings.Cut(c.path, "?")
	return "GET " + path
}

// expected is the accepted statuses as people write them: "200–299, 304".
func (c check) expected() string {
	var words []string
	for _, r := range c.accept {
		if r.From == r.To {
			words = append(words, fmt.Sprint(r.From))
		} else {
			words = append(words, fmt.Sprintf("%d–%d", r.From, r.To))
		}
	}
	return strings.Join(words, ", ")
}
