package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	maxEvent = 1 << 20          // bytes of a line of a stream
	silence  = 45 * time.Second // three times what a server lets pass
)

var (
	errEnded  = errors.New("the stream of events ended")
	errSilent = errors.New("the stream of events is silent")
)

// EventsQuery narrows events. Zero values ask for everything.
type EventsQuery struct {
	Service string
	After   string // the id of the last event that is known
	Limit   int    // of a page; 0 is 100, 1000 the most. With After it is those that come next, else the newest
}

func (q EventsQuery) path() string {
	v := url.Values{}
	if q.Service != "" {
		v.Set("service", q.Service)
	}
	if q.After != "" {
		v.Set("after", q.After)
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if len(v) == 0 {
		return "v1/events"
	}
	return "v1/events?" + v.Encode()
}

// Events asks for a page of events.
func (c *Client) Events(ctx context.Context, q EventsQuery) (Events, error) {
	return call[Events](ctx, c, http.MethodGet, q.path(), nil)
}

// Follow yields the events behind q.After that are remembered, then each one as it happens. Its last
// pair is an error, unless the caller stopped before: ErrUnreachable when the server was not there, ended
// the stream or was silent too long. To go on, follow again after the last event. q.Limit means nothing.
func (c *Client) Follow(ctx context.Context, q EventsQuery) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		alive, end := context.WithCancelCause(ctx)
		defer end(nil)
		silent := time.AfterFunc(silence, func() { end(errSilent) })
		defer silent.Stop()
		q.Limit = 0
		body, err := c.stream(ctx, alive, q.path())
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer body.Close()
		lines := bufio.NewScanner(body)
		lines.Buffer(nil, maxEvent)
		for lines.Scan() {
			silent.Reset(silence)
			e, ok, err := c.event(lines.Bytes())
			if ok && !yield(e, err) || err != nil {
				return
			}
		}
		if err = lines.Err(); err == nil {
			err = errEnded
		}
		yield(Event{}, lost(ctx, alive, c, err))
	}
}

// stream opens a stream of events for as long as alive lasts.
func (c *Client) stream(ctx, alive context.Context, path string) (io.ReadCloser, error) {
	r, err := c.request(alive, http.MethodGet, path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the admin API: %w", err)
	}
	r.Header.Set("Accept", "text/event-stream")
	res, err := c.http.Do(r)
	if err != nil {
		return nil, lost(ctx, alive, c, err)
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode == http.StatusOK && media == "text/event-stream" {
		return res.Body, nil
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, lost(ctx, alive, c, err)
	}
	if err := refusal(c, res, b); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s does not answer like a switchback: no stream of events", c.name)
}

// event reads a line of a stream; false when it says nothing. Id and type of an event are in its data
// as well, and its data is one line.
func (c *Client) event(line []byte) (e Event, ok bool, err error) {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		return e, false, nil
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, true, fmt.Errorf("%s does not answer like a switchback: %w", c.name, err)
	}
	return e, true, nil
}

// lost is unanswered for a stream, which may end because alive did.
func lost(ctx, alive context.Context, c *Client, err error) error {
	if cause := context.Cause(alive); cause != nil {
		err = cause
	}
	return unanswered(ctx, c, err)
}
