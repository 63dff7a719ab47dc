package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/outbound"
	"go.uber.org/zap"
)

// Announcement is a decision as it is announced: an event with the way back and where to look. It is the
// body of a webhook. The ID is the same whenever this decision is announced again.
type Announcement struct {
	api.Event
	Undo string `json:"undo,omitempty"` // the command that would undo it
	Link string `json:"link,omitempty"`
}

// Announce tells one, and blocks until it was taken or ctx ends, whose error it then returns. It tries
// again after pauses that grow from a second to a minute, without end: who gives up loses an announcement.
func (c *Client) Announce(ctx context.Context, to config.Announce, a Announcement) error {
	began, pause := time.Now(), firstPause
	for n := 1; ; n++ {
		taken, said := c.announce(ctx, to, a)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case taken && n > 1:
			c.log.Info("announcement delivered at last", zap.String("service", a.Service), zap.String("to", whom(to)),
				zap.String("id", a.ID), zap.Int("tries", n), zap.Duration("after", time.Since(began)))
		case !taken && n == 1:
			c.log.Warn("announcement not delivered yet", zap.String("service", a.Service), zap.String("to", whom(to)),
				zap.String("id", a.ID), zap.String("err", said))
		}
		if taken {
			return nil
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(pauseGrowsByTimes*pause, longestPause)
	}
}

func (c *Client) announce(ctx context.Context, to config.Announce, a Announcement) (taken bool, said string) {
	call := outbound.Call{URL: to.Post, Timeout: announceTime}
	var what any = a
	if to.SlackFile != "" {
		secret, err := outbound.ReadSecret(to.SlackFile)
		if err != nil {
			return false, err.Error()
		}
		call.URL, call.Name, what = secret, whom(to), slack(a)
	}
	var err error
	if call.Body, err = json.Marshal(what); err != nil {
		return true, err.Error() // it will not become better
	}
	return verdict(c.post(ctx, call, to.TokenFile))
}

// whom is who is told, without what may be a secret.
func whom(to config.Announce) string {
	if to.SlackFile != "" {
		return "the webhook in " + to.SlackFile
	}
	return outbound.Mask(to.Post)
}

// message is what Slack and those who speak like it take.
type message struct {
	Text string `json:"text"`
}

// slackText makes text safe in a message: what is in angle brackets would be a link or a mention.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'")

func slack(a Announcement) message {
	var b strings.Builder
	fmt.Fprintf(&b, "*%s*: %s", slackText.Replace(a.Service), slackText.Replace(a.Sentence))
	for _, c := range a.Checks {
		fmt.Fprintf(&b, "\n• %s: %s, candidate %d of %d, baseline %d of %d", slackText.Replace(c.Name), c.Verdict,
			c.Candidate.Bad, c.Candidate.Requests, c.Baseline.Bad, c.Baseline.Requests)
	}
	if a.Undo != "" {
		fmt.Fprintf(&b, "\nundo: `%s`", slackText.Replace(a.Undo))
	}
	if a.Link != "" {
		fmt.Fprintf(&b, "\n<%s>", slackText.Replace(a.Link))
	}
	return message{Text: b.String()}
}
