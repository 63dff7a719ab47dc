package main

import (
	"path/filepath"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/control"
	"github.com/switchback-proxy/switchback/health"
	"github.com/switchback-proxy/switchback/journal"
	"go.uber.org/zap"
)

// openJournal opens what keeps events, in a folder of its own beside the state, and returns what it has. Traffic
// does not wait for it: without it events end with the process, but for the decisions that states remember.
func (n *node) openJournal(c *config.Config) []journal.Record {
	j, kept, err := journal.Open(filepath.Join(c.State.Dir, "events"), control.Lanes, journal.Options{
		Log: n.log, Dropped: n.metrics.EventsDropped,
	})
	if err != nil {
		n.log.Error("events are not kept", zap.Error(err))
		return nil
	}
	n.journal = j
	return kept
}

// healthChanged hands over what probes found.
func (n *node) healthChanged(c health.Change) {
	n.control.TargetChanged(c.Service, c.Pool, c.Target, c.Was, c.Health)
}
