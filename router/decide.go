package router

import (
	"net/netip"
	"unsafe"
)

// Header is the fields of a request. http.Header is one. Names are canonical.
type Header interface{ Get(name string) string }

// Request is what a decision looks at. Its strings may alias a read buffer: Decide looks at them and
// keeps none but Decision.Sticky.
type Request struct {
	Method string // as received
	Host   string // as received, with or without port, in any case
	Path   string // escaped, without query
	Pool   string // the listener's pool or role; "" when weights decide
	Client netip.Addr
	Header Header
}

// Cause says why a request went where it went.
type Cause uint8

// The causes, in the order in which they are asked. Only requests by Key and Chance are drawn: those are
// the ones a comparison of pools may count.
const (
	ByListener Cause = iota
	ByOverride
	ByRule
	ByKey
	ByChance
)

// String is the word used in logs.
func (c Cause) String() string {
	return [...]string{"listener", "override", "rule", "key", "chance"}[c]
}

// Drawn reports whether chance or a hash chose the pool.
func (c Cause) Drawn() bool { return c == ByKey || c == ByChance }

// FallsBack reports whether the baseline serves when the pool chosen cannot.
func (c Cause) FallsBack() bool { return c >= ByRule }

// Decision is where a request goes.
type Decision struct {
	Service  *Service
	Pool     *Pool   // chosen; what happens is booked here
	Target   *Target // of Pool, or of the baseline when Fallback
	Cause    Cause
	Fallback bool      // Pool had no usable target and the baseline serves instead
	Sticky   string    // the key found in the request, "" when none was
	Issue    string    // name of the cookie that has to carry ID; "" none
	ID       [2]uint64 // the minted key, written as 32 hexadecimal digits
}

// Decide finds service, pool and target. rnd is chance; the same arguments and the same health give the
// same decision. It does not allocate and takes no lock.
//
// Errors: ErrBadPath, ErrNoService, ErrNoPool (the listener's role is taken by nobody, or a trusted
// override names no pool), ErrNoTarget. The decision still names the service and pool as far as they
// were found.
func (t *Table) Decide(q *Request, rnd [2]uint64) (Decision, error) {
	if plain(q.Path) {
		return t.decide(q, q.Path, rnd)
	}
	return t.decideOdd(q, rnd)
}

// decideOdd is apart, so that only odd paths pay for its buffer.
//
//go:noinline
func (t *Table) decideOdd(q *Request, rnd [2]uint64) (Decision, error) {
	var buf [MaxPath]byte
	path, ok := normalize(q.Path, &buf)
	if !ok {
		return Decision{}, ErrBadPath
	}
	return t.decide(q, unsafe.String(unsafe.SliceData(path), len(path)), rnd) //nolint:gosec // lives as long as buf, is not kept
}

func (t *Table) decide(q *Request, path string, rnd [2]uint64) (Decision, error) {
	var d Decision
	if err := t.assign(&d, q, path, rnd, nil); err != nil {
		return d, err
	}
	d.aim(rnd[1])
	if d.Target == nil {
		return d, ErrNoTarget
	}
	return d, nil
}

// assign finds service and pool. It takes no turn of a pool and counts nothing, so that Explain may ask too:
// that is what tr is for, nil else.
func (t *Table) assign(d *Decision, q *Request, path string, rnd [2]uint64, tr *trace) error {
	s := t.match(q.Host, path)
	if s == nil {
		return ErrNoService
	}
	d.Service = s
	if len(s.sticky.keys) > 0 {
		d.Sticky = s.sticky.find(q.Header)
	}
	d.Pool, d.Cause = t.choose(s, q, path, d, rnd, tr)
	if d.Pool == nil {
		return ErrNoPool
	}
	return nil
}

// choose asks the causes in order.
func (t *Table) choose(s *Service, q *Request, path string, d *Decision, rnd [2]uint64, tr *trace) (*Pool, Cause) {
	if q.Pool != "" {
		return s.Resolve(q.Pool), ByListener
	}
	if name := t.override(q); name != "" {
		return s.Resolve(name), ByOverride
	}
	key := d.Sticky
	mint := key == "" && s.sticky.issue != ""
	if mint && s.early { // what a flag says of the first request holds for the next ones
		d.Issue, d.ID = s.sticky.issue, rnd
		var buf [mintedLen]byte
		key, mint = string(AppendID(buf[:0], rnd)), false
	}
	if p := s.rule(path, key, q.Header, tr); p != nil {
		return p, ByRule
	}
	if mint {
		d.Issue, d.ID = s.sticky.issue, rnd
		var buf [mintedLen]byte
		key = string(AppendID(buf[:0], rnd))
	}
	if key != "" {
		return s.byKey(key, tr), ByKey
	}
	return s.byChance(rnd[0]), ByChance
}

// User is the key of the request's user: the one it had or the one minted for it, appended to buf; empty when
// there is none.
func (d *Decision) User(buf []byte) []byte {
	if d.Issue != "" && d.Sticky == "" {
		return AppendID(buf, d.ID)
	}
	return append(buf, d.Sticky...)
}

// aim picks a target of the chosen pool, or one of the baseline. Who named a pool by hand wants that
// pool and no other, so only rules and the draw fall back.
func (d *Decision) aim(rnd uint64) {
	if d.Target = d.Pool.Pick(rnd); d.Target != nil {
		return
	}
	if base := d.Service.Baseline; d.Pool != base && d.Cause.FallsBack() {
		d.Target = base.Pick(rnd)
		d.Fallback = d.Target != nil
	}
}

// override is the pool a trusted address asks for, "" when there is none.
func (t *Table) override(q *Request) string {
	if t.MayOverride(q.Client) {
		return q.Header.Get(t.trust.header)
	}
	return ""
}

// MayOverride reports whether an address may name a pool by hand.
func (t *Table) MayOverride(client netip.Addr) bool { return contains(t.trust.from, client) }

// OverrideHeader is the canonical name of the field that names a pool by hand.
func (t *Table) OverrideHeader() string { return t.trust.header }

// TrustsProxy reports whether a peer's word about the client is believed.
func (t *Table) TrustsProxy(peer netip.Addr) bool { return contains(t.trust.proxies, peer) }

// AppendID writes a minted key as 32 hexadecimal digits.
func AppendID(b []byte, id [2]uint64) []byte {
	for _, half := range id {
		for shift := 60; shift >= 0; shift -= 4 {
			b = append(b, hexDigits[half>>shift&15])
		}
	}
	return b
}
