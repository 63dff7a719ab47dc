// Package config owns what the operator wrote: the YAML file, its types, defaults, rules, digest and
// the watching of it. It knows nothing of routing, health or HTTP and never logs.
package config

import (
	"net/netip"
	"strings"
	"time"
)

// Config is a whole, valid file with every default filled in. It is immutable once returned: readers
// share it without locks.
type Config struct {
	File      string // as given to Load or Parse; "" when parsed from memory
	Digest    string // hex SHA-256 of the file's bytes
	Listeners []Listener
	Admin     Admin
	State     State
	Shutdown  Shutdown
	Trust     Trust
	Log       Log
	Metrics   Metrics   `json:",omitzero"`
	Services  []Service // in file order, then one for each flag with a rollout
	Flags     []Flag    // in file order
	Outbound  Outbound
}

// Service returns the service of that name, nil when there is none.
func (c *Config) Service(name string) *Service {
	for i := range c.Services {
		if c.Services[i].Name == name {
			return &c.Services[i]
		}
	}
	return nil
}

// Listener is one address that accepts client traffic.
type Listener struct {
	Name     string
	Address  string   // host:port; ":8080" is every address
	TLS      *TLS     // nil: cleartext
	H2C      bool     // HTTP/2 without TLS is spoken too, with those who begin with its preface
	Fast     bool     // plain HTTP/1.1 is served in event loops where the system has them; false: by net/http alone
	Pool     string   // role or pool every request is sent to, whatever the weights; "": weights decide
	Serve    string   // ServeFlags: applications ask for flags here; "": traffic of the services
	Tokens   []Secret // of a listener that serves flags; none: everybody who reaches it may ask
	CORS     []string // the same: origins of pages that may ask, "*" any
	Timeouts struct { // zero never; defaults 10s and 60s
		Header time.Duration // from the first byte of a request to the end of its head
		Idle   time.Duration // how long a client may leave us waiting: for a request, more of a body, taking more of an answer
	}
}

// ServeFlags is what a listener can serve beside the services.
const ServeFlags = "flags"

// Secret is a named file with a bearer token.
type Secret struct{ Name, File string }

// TLS lists the certificates of a listener; the client's SNI chooses among them, the first is used
// when it names none of them.
type TLS struct{ Certificates []Certificate }

// Certificate is a pair of PEM files. Relative paths are relative to the file's folder and resolved
// by Parse.
type Certificate struct{ Cert, Key string }

// Admin is where people and tools reach the API.
type Admin struct {
	Address string   // host:port, or "unix:/path"
	URL     string   // where people reach it, for links; "": told by the address
	Hosts   []string // lower-case names it may be addressed by, beside IP literals and localhost
	Tokens  []Token
}

// Token names a bearer token. The secret stays in its file and is read by who checks it.
type Token struct {
	Name string
	Role Role
	File string // resolved like Certificate

	Services []string  // the only ones it may read and write; with no Flags either: everything
	Flags    []string  // the same for flags: names, or a beginning and "*"
	Expires  time.Time // it does not work from then on; zero: never
}

// Role says what a token may do.
type Role string

// The roles: a viewer reads, an operator also changes traffic and reloads.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
)

// State is where traffic intent is kept.
type State struct{ Dir string } // resolved against the working directory by who opens it

// Shutdown bounds the end of the process. Delay is waited after readiness fails and before listeners
// close; Timeout is the hard end of draining.
type Shutdown struct{ Delay, Timeout time.Duration }

// Trust names the addresses whose words are believed.
type Trust struct {
	Proxies  []netip.Prefix // peers whose X-Forwarded-* is kept
	Override Override
}

// Override lets the addresses in From name a pool by hand in Header. Header is canonical and
// "Switchback-Pool" by default; an empty From trusts nobody.
type Override struct {
	Header string
	From   []netip.Prefix
}

// Log says how much is written. Level is debug, info, warn or error; Access turns the access log on.
type Log struct {
	Level  string
	Access bool
}

// Metrics says what is shown to Prometheus beside the numbers.
type Metrics struct {
	Exemplars bool // durations of requests name the trace they were measured in
}

// Service is hosts and paths, the pools behind them and how traffic is split.
type Service struct {
	Name     string
	Of       string   // of a service that stands for a flag: the one whose requests are compared; else ""
	Hosts    []string // lower-case; "*.example.com" is a wildcard; IPv6 without brackets; empty: any host
	Paths    []string // prefixes on whole segments, at least one; no trailing slash but in "/"
	Pools    []Pool   // in file order
	Weights  Weights  // sum Full; a missing pool has 0
	Balance  Balance
	Sticky   Sticky
	Rules    []Rule
	Health   Health
	Timeouts Timeouts
	Host     string // "preserve", "target" or the literal to send
	HTTP2    bool   // https targets are asked for HTTP/2; gRPC calls ask for it in any case
	Drain    Drain
	Rollout  *Rollout // nil: only people and the file move the weights
	Flags    []string // flags whose variants upstream is told, in file order
}

// Pool returns the pool of that name, nil when there is none.
func (s *Service) Pool(name string) *Pool {
	for i := range s.Pools {
		if s.Pools[i].Name == name {
			return &s.Pools[i]
		}
	}
	return nil
}

// Pool is the targets of one version.
type Pool struct {
	Name    string
	Version string // "" when the file names none
	Targets []Target
}

// Target is one address of a pool. URL is scheme and authority only, "http://10.0.0.1:8080", with the
// port always written; the scheme is http, https or h2c, which is HTTP/2 without TLS. Weight is at least 1.
type Target struct {
	URL    string
	Weight int
}

// Balance is how a target is chosen in a pool.
type Balance string

// The ways to balance. LeastInflight draws two targets and takes the one with fewer requests in flight.
const (
	LeastInflight Balance = "least_inflight"
	RoundRobin    Balance = "round_robin"
)

// Sticky keeps a user on one pool. No Key: every request is drawn at random.
type Sticky struct {
	Key  []StickyKey // the first one present in a request counts
	Seed Seed
}

// StickyKey is one source of a key; exactly one field is set.
type StickyKey struct {
	Header      string // canonical
	Cookie      string
	IssueCookie string // read like Cookie; minted when no key is present
}

// Seed says who meets a new version first.
type Seed string

// The seeds: other users for each candidate version, or always the same ones. SeedFlag and the name of a
// flag: the users who have the flag first.
const (
	SeedVersion Seed = "version"
	SeedFixed   Seed = "fixed"
	SeedFlag    Seed = "flag:"
)

// Flag is the flag of a seed, "" when it is none of a flag.
func (s Seed) Flag() string {
	name, _ := strings.CutPrefix(string(s), string(SeedFlag))
	if name == string(s) {
		return ""
	}
	return name
}

// Rule sends the requests that match to a pool, before the split.
type Rule struct {
	When Match
	To   string // pool or role
}

// Match holds when every part that is set holds.
type Match struct {
	Header     []HeaderMatch // all of them, sorted by name
	Users      []string      // sticky keys
	Flag       string        // one that gives the user something else than its Off
	PathPrefix string        // whole segments
}

// HeaderMatch compares the first value of a header exactly. Name is canonical.
type HeaderMatch struct{ Name, Value string }

// Health is the active probe of every target of a service.
type Health struct {
	Path       string // origin-form with an optional query
	Every      time.Duration
	Timeout    time.Duration
	Passes     int // good probes in a row to come up, after the first probe
	Fails      int // bad probes in a row to go down
	Status     []StatusRange
	GRPC       *GRPCHealth // asked instead of Path; nil: not
	PanicBelow int         // percent of the baseline's targets usable below which health is ignored; 0 never
}

// StatusRange is inclusive at both ends.
type StatusRange struct{ From, To int }

// GRPCHealth asks by grpc.health.v1.Health/Check. Service "" is the whole server.
type GRPCHealth struct{ Service string }

// Timeouts of the upstream side; zero means none, except that Connect is always set.
type Timeouts struct {
	Connect        time.Duration
	ResponseHeader time.Duration // from the request written to the response's head, never applied to gRPC
	Idle           time.Duration // an unused upstream connection is kept this long
	Request        time.Duration // the whole exchange, never applied to upgrades, event streams and gRPC
}

// Drain bounds how long requests may stay on a pool that lost its weight.
type Drain struct {
	Timeout          time.Duration // of ordinary requests
	LongLived        LongLived     // what becomes of upgrades, event streams and gRPC streams
	LongLivedTimeout time.Duration // how long they are left alone under LongLivedDrain
	Spread           time.Duration // over which they are closed then, one by one; zero: at once
}

// LongLived is what becomes of exchanges that end when their peers want once their pool drains.
type LongLived string

// They are kept, or left alone for a while and then closed one by one, or closed at once.
const (
	LongLivedKeep  LongLived = "keep"
	LongLivedDrain LongLived = "drain"
	LongLivedClose LongLived = "close"
)

// The roles a rule, a listener or the override header may name instead of a pool.
const (
	RoleBaseline  = "baseline"  // the pool that last had 100 %
	RoleCandidate = "candidate" // the other one of two
	RoleLive      = "live"      // another word for baseline
	RoleIdle      = "idle"      // the pool that is not live
)

// IsRole reports whether name is one of the role words, which no pool may be called.
func IsRole(name string) bool {
	switch name {
	case RoleBaseline, RoleCandidate, RoleLive, RoleIdle:
		return true
	}
	return false
}
