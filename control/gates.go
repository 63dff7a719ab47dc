package control

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/notify"
	"github.com/switchback-proxy/switchback/rollout"
)

// Messenger speaks to people and pipelines outside. Both methods block and end with ctx; the Loop calls
// them in goroutines of their own and never waits for them.
type Messenger interface {
	Ask(ctx context.Context, gate config.Gate, q notify.Question) notify.Reply
	// Announce returns nil when it was taken, and otherwise only when ctx ends.
	Announce(ctx context.Context, to config.Announce, a notify.Announcement) error
}

// asking is a question to a gate under way.
type asking struct {
	question rollout.Question
	cancel   context.CancelFunc
	reply    *notify.Reply // nil: not yet
}

// outside is the leader's second of what is asked and announced: it starts what the states say, and ends
// what they do not say any more.
func (l *Loop) outside() {
	if l.o.Messenger == nil {
		return
	}
	if !l.leads() {
		l.hush()
		return
	}
	for i := range l.config.Services {
		svc := &l.config.Services[i]
		l.question(svc)
		l.announceAll(svc)
	}
	for _, name := range sortedKeys(l.askings) {
		if l.config.Service(name) == nil {
			l.unask(name)
		}
	}
	for name, o := range l.outboxes {
		if l.config.Service(name) == nil {
			o.stop()
			delete(l.outboxes, name)
		}
	}
}

// hush ends everything that is asked and announced: this node does not lead.
func (l *Loop) hush() {
	for _, name := range sortedKeys(l.askings) {
		l.unask(name)
	}
	for name, o := range l.outboxes {
		o.stop()
		delete(l.outboxes, name)
	}
}

func (l *Loop) unask(service string) {
	l.askings[service].cancel()
	delete(l.askings, service)
}

// question has the gate asked that the state of a service asks. An answer that could not be written is
// handed over again.
func (l *Loop) question(svc *config.Service) {
	state := l.records[svc.Name].state
	q, ok := state.Question(svc)
	a := l.askings[svc.Name]
	if a != nil && (!ok || a.question != q) {
		l.unask(svc.Name)
		a = nil
	}
	switch {
	case !ok:
	case a == nil:
		l.ask(svc, state, q)
	case a.reply != nil:
		l.answered(svc, a)
	}
}

func (l *Loop) ask(svc *config.Service, s rollout.State, q rollout.Question) {
	ctx, cancel := context.WithCancel(l.ctx)
	a := &asking{question: q, cancel: cancel}
	l.askings[svc.Name] = a
	asked, service := questionOf(svc, s, q, link(l.config, svc.Name)), svc.Name
	l.wg.Go(func() {
		defer cancel()
		reply := l.o.Messenger.Ask(ctx, q.Gate, asked)
		_ = l.do(ctx, func() { // else nobody asks any more
			if svc := l.config.Service(service); svc != nil && l.askings[service] == a && l.leads() {
				a.reply = &reply
				l.answered(svc, a)
			}
		})
	})
}

// answered hands an answer to the rules. What is asked next is asked at once.
func (l *Loop) answered(svc *config.Service, a *asking) {
	e := rollout.Answered{
		At: l.o.Now(), Term: l.term.N, Rollout: a.question.Rollout, Question: a.question.Question,
		Open: a.reply.Open, Said: a.reply.Said,
	}
	if l.decide(svc, e, false) == nil && l.leads() {
		if q, ok := l.records[svc.Name].state.Question(svc); !ok || q != a.question {
			l.question(svc)
		}
		l.publish()
	}
}

func questionOf(svc *config.Service, s rollout.State, q rollout.Question, link string) notify.Question {
	r := s.Rollout
	pool := func(name string) notify.Pool {
		out := notify.Pool{Name: name}
		if p := svc.Pool(name); p != nil {
			out.Version = p.Version
		}
		return out
	}
	return notify.Question{
		ID: fmt.Sprintf("%s/%s/%d", svc.Name, q.Rollout, q.Question), Gate: q.Gate.At, Service: svc.Name, Rollout: q.Rollout,
		Candidate: pool(r.Candidate), Baseline: pool(r.Baseline), Step: r.Step, Steps: len(svc.Rollout.Steps),
		Weight: s.InForce()[r.Candidate].Percent(), Next: q.To.Percent(), Sentence: r.Sentence, Link: link,
	}
}

// link is where people look at a rollout; "" when the file does not tell: a socket, or every address.
func link(c *config.Config, service string) string {
	base := c.Admin.URL
	if base == "" {
		host, port, err := net.SplitHostPort(c.Admin.Address)
		if err != nil || host == "unix" { // unix:/path
			return ""
		}
		if len(c.Admin.Hosts) > 0 {
			host = c.Admin.Hosts[0]
		}
		if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
			return ""
		}
		base = "http://" + net.JoinHostPort(host, port)
	}
	return base + "/v1/services/" + service + "/rollout"
}

// sayGate is the gate that a rollout waits for, and whether only a person can open it; "" when none.
func sayGate(svc *config.Service, s rollout.State, now time.Time) (said string, closed bool) {
	if q, ok := s.Question(svc); ok {
		return fmt.Sprintf("gate %s, asked %s ago", q.Gate.Name(), sayTime(max(0, now.Sub(q.Since)))), false
	}
	if gate, why, ok := s.Rollout.Closed(svc.Rollout); ok {
		return fmt.Sprintf("gate %s stays closed: %s", gate.Name(), why), true
	}
	return "", false
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
