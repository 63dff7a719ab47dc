package config

import (
	"fmt"
	"net/url"
	"time"
)

// Gate is an address that has to agree before a candidate gets traffic or more of it.
type Gate struct {
	At        GateAt
	Post      string        // http or https
	TokenFile string        // holds a bearer token; "": none is sent. Resolved like Certificate
	Timeout   time.Duration // for all tries together
}

// Name is the place and whom it asks, as logs and status may show it: "promote https://ci.example.com".
func (g Gate) Name() string {
	u, err := url.Parse(g.Post)
	if err != nil {
		return string(g.At)
	}
	return string(g.At) + " " + u.Scheme + "://" + u.Host
}

// GateAt is when a gate is asked.
type GateAt string

// The places of a gate.
const (
	GateStart   GateAt = "start"   // before the first step
	GatePromote GateAt = "promote" // before each step after the first, and before the end of a bake
	GateFinish  GateAt = "finish"  // before the candidate has 100 %
)

// Announce is somebody who is told every decision. Either Post or SlackFile is set.
type Announce struct {
	Post      string // http or https; gets JSON
	TokenFile string // of Post, like that of a Gate
	SlackFile string // holds the address of a webhook that takes what Slack's takes
}

// What bounds the outside words of a rollout.
const (
	mostGates       = 16
	mostAnnounce    = 16
	defaultGateTime = 5 * time.Minute
)

func (p *parser) gates(n *node) []Gate {
	var all []Gate
	for _, item := range p.list(n) {
		o := p.object(item, "at", "post", "token_file", "timeout")
		all = append(all, Gate{
			At:        choice(p, p.need(o, "at", "it is start, promote or finish"), GateStart, GateStart, GatePromote, GateFinish),
			Post:      p.callURL(p.need(o, "post", "name the address to ask")),
			TokenFile: p.filename(o.at("token_file")),
			Timeout:   p.duration(o.at("timeout"), time.Second, defaultGateTime),
		})
	}
	p.atMost(n, len(all), mostGates, "gates")
	return all
}

func (p *parser) announce(n *node) []Announce {
	var all []Announce
	for _, item := range p.list(n) {
		o := p.object(item, "post", "token_file", "slack_file")
		post, slack := o.at("post"), o.at("slack_file")
		switch {
		case item.bad:
		case post == nil && slack == nil:
			p.report(item, flaw{"names nobody", "write post: https://… or slack_file: slack.url"})
		case post != nil && slack != nil:
			p.report(item, flaw{"names two", "write post and slack_file as two entries"})
		case slack != nil && o.at("token_file") != nil:
			p.report(o.at("token_file"), flaw{"is not sent with slack_file", "remove it"})
		}
		all = append(all, Announce{Post: p.callURL(post), TokenFile: p.filename(o.at("token_file")), SlackFile: p.filename(slack)})
	}
	p.atMost(n, len(all), mostAnnounce, "entries")
	return all
}

func (p *parser) atMost(n *node, have, most int, what string) {
	if have > most {
		p.report(n, flaw{fmt.Sprintf("lists %d %s", have, what), fmt.Sprintf("at most %d", most)})
	}
}
