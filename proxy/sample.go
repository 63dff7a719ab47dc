package proxy

import (
	"net/http"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/bucket"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// beginSample counts a request that chance or a hash drew for a pool. Its first attempt alone tells the
// outcome: a retry would hide a sick target, and a fallback is the miss of the pool that was drawn.
func (x *exchange) beginSample() {
	d := &x.decision
	if d.Pool != nil && d.Cause.Drawn() {
		x.sample = x.recorder().Cells().Begin(x.began, d.Service.Revision, sampleGroup(d))
	}
	x.beginCompared()
	if d.Target == nil || d.Fallback {
		x.samples(func(s *metrics.Sample, _ *config.Service) { s.Fail() })
	}
}

// sampleGroup puts the requests of one client together, those without a key by target.
func sampleGroup(d *router.Decision) uint8 {
	const prefix = "group/"
	switch {
	case d.Sticky != "":
		return uint8(bucket.Of(prefix, d.Sticky) % metrics.Groups)
	case d.Issue != "":
		var id [32]byte
		return uint8(bucket.Of(prefix, string(router.AppendID(id[:0], d.ID))) % metrics.Groups)
	case d.Target == nil || d.Fallback:
		return 0
	}
	return uint8(slices.Index(d.Pool.Targets, d.Target) % metrics.Groups) //nolint:gosec // below Groups
}

// fields is the fields of a message; http.Header is one. Names are canonical.
type fields interface {
	Values(name string) []string
}

// sampleHead books what a response's head says, so that a long body does not look slow.
func (x *exchange) sampleHead(status int, contentType string, h fields) {
	if !x.firstAttempt() {
		return
	}
	age := x.attempted.Sub(x.began) + x.latency
	apart := status == http.StatusSwitchingProtocols || streams(contentType)
	x.samples(func(s *metrics.Sample, of *config.Service) {
		switch {
		case x.verdict == metrics.StatusGRPC, failedStatus(of, status):
			s.Fail()
		case apart:
			s.EndApart()
		default:
			s.End(age)
		}
	})
	if x.decision.Pool != nil && x.decision.Cause.Drawn() {
		x.watchHead(status, h)
	}
}

// sampleEnd books what became of an attempt. After its head only a failure counts. What the client or we
// ourselves broke off is nobody's failure, but it is as slow as it was old.
func (x *exchange) sampleEnd(o metrics.Outcome) {
	if !x.firstAttempt() {
		return
	}
	age := x.attempted.Sub(x.began) + x.latency
	x.samples(func(s *metrics.Sample, _ *config.Service) {
		switch o {
		case metrics.OK, metrics.ClientGone, metrics.Unexpected:
			s.End(age)
		case metrics.Timeout:
			s.TimeOut(age)
			s.Fail() // when the head was there in time
		case metrics.Status5xx, metrics.StatusGRPC, metrics.Refused, metrics.Reset, metrics.Truncated, metrics.Malformed, metrics.NoTarget:
			s.Fail()
		}
	})
}

func (x *exchange) firstAttempt() bool { return x.retries == 0 && !x.fellBack }

// failedStatus also knows the statuses that a service's own check counts.
func failedStatus(s *config.Service, status int) bool {
	if status >= http.StatusInternalServerError {
		return true
	}
	if s.Rollout == nil {
		return false
	}
	for i := range s.Rollout.Checks {
		if slices.Contains(s.Rollout.Checks[i].Also, status) {
			return true
		}
	}
	return false
}

// streams reports whether a content type is one of answers that last as long as their peers want.
func streams(contentType string) bool {
	for _, t := range [...]string{"text/event-stream", "application/grpc"} {
		if len(contentType) >= len(t) && strings.EqualFold(contentType[:len(t)], t) {
			return true
		}
	}
	return false
}
