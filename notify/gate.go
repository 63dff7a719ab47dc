package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/outbound"
)

// Question is what a gate is asked. It is the body of the request.
type Question struct {
	ID        string        `json:"id"`   // the same whenever this question is asked again
	Gate      config.GateAt `json:"gate"` // start, promote, finish
	Service   string        `json:"service"`
	Rollout   string        `json:"rollout"`
	Candidate Pool          `json:"candidate"`
	Baseline  Pool          `json:"baseline"`
	Step      int           `json:"step"` // from 1
	Steps     int           `json:"steps"`
	Weight    float64       `json:"weight"` // percent that the candidate has
	Next      float64       `json:"next"`   // percent that it gets when the gate opens
	Sentence  string        `json:"sentence"`
	Link      string        `json:"link,omitempty"` // where the rollout can be looked at
}

// Pool is one side of a rollout.
type Pool struct {
	Name    string `json:"pool"`
	Version string `json:"version"`
}

// Reply is what became of a question, in words: "answered 204, 1 try in 2s".
type Reply struct {
	Open bool
	Said string
}

// Ask asks a gate until it opens or its time is over, and blocks until then. A status from 200 to 299 opens
// it; anything else is tried again, after pauses that grow from a second to 15. A single try may take all the
// time that is left, since a gate may run tests before it answers. When ctx ends the reply means nothing.
func (c *Client) Ask(ctx context.Context, gate config.Gate, q Question) Reply {
	body, err := json.Marshal(q)
	if err != nil {
		return Reply{Said: "the question cannot be written: " + err.Error()}
	}
	began := time.Now()
	end, pause := began.Add(gate.Timeout), firstPause
	for n := 1; ; n++ {
		left := time.Until(end)
		open, said := verdict(c.post(ctx, outbound.Call{URL: gate.Post, Body: body, Timeout: left}, gate.TokenFile))
		if left = time.Until(end); !open && left > lastTryBefore && sleep(ctx, min(pause, left-lastTryBefore)) {
			pause = min(pauseGrowsByTimes*pause, longestGatePause)
			continue
		}
		if !open && left > 0 {
			sleep(ctx, min(left, lastTryBefore)) // its time is what the file says
		}
		return Reply{Open: open, Said: fmt.Sprintf("%s, %s in %s", said, tries(n), brief(time.Since(began)))}
	}
}
