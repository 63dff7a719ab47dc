package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
)

const (
	settleNews  = 100 * time.Millisecond // between an event and the look at it: others may come with it
	listenAgain = 5 * time.Second        // after the stream of events failed
)

// news listens to events for somebody who only wants to know that there are some.
type news struct {
	come chan struct{}
	deaf atomic.Bool // the stream does not work: look often instead
	wg   sync.WaitGroup
}

// listen begins to listen, until ctx ends. Whatever happens after it returned is told.
func listen(ctx context.Context, c *api.Client, named []string) *news {
	n := &news{come: make(chan struct{}, 1)}
	after, err := newest(ctx, c)
	n.deaf.Store(err != nil)
	n.wg.Go(func() {
		for ctx.Err() == nil {
			if err == nil {
				n.hear(ctx, c, api.EventsQuery{After: after}, named)
			}
			n.deaf.Store(true)
			n.tell()
			pause(ctx, listenAgain)
			if after, err = newest(ctx, c); err == nil {
				n.deaf.Store(false)
				n.tell() // of what happened before after
			}
		}
	})
	return n
}

// newest is the id of the newest event.
func newest(ctx context.Context, c *api.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	page, err := c.Events(ctx, api.EventsQuery{Limit: 1})
	if err != nil || len(page.Events) == 0 {
		return "", err
	}
	return page.Events[len(page.Events)-1].ID, nil
}

// hear follows events for as long as it goes well.
func (n *news) hear(ctx context.Context, c *api.Client, q api.EventsQuery, named []string) {
	for e, err := range c.Follow(ctx, q) {
		if err != nil {
			return
		}
		// What is about no service may be about all.
		if len(named) == 0 || e.Service == "" || e.Service == named[0] {
			n.tell()
		}
	}
}

func (n *news) tell() {
	select {
	case n.come <- struct{}{}:
	default:
	}
}

// next waits until there is something to look at: an event, or new figures after so long. False: ctx ended.
func (n *news) next(ctx context.Context, figures time.Duration) bool {
	if n.deaf.Load() {
		figures = min(figures, every)
	}
	t := time.NewTimer(figures)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	case <-n.come:
		if n.deaf.Load() {
			return pause(ctx, min(figures, every)) // it told of its end
		}
		return pause(ctx, settleNews)
	}
}

// wait returns when nobody listens any more.
func (n *news) wait() { n.wg.Wait() }
