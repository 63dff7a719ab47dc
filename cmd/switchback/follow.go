package main

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/control"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/store"
	"go.uber.org/zap"
)

var errStopping = errors.New("shutting down")

// Swap puts a table in force on the data path; with a new file also what else follows it live.
func (n *node) Swap(t *router.Table) {
	n.proxy.Swap(t)
	n.flags.Swap(t.Flags)
	before := n.table.Swap(t)
	if before == nil || before.Config == t.Config {
		return
	}
	n.setLevel(t.Config)
	n.metrics.ShowExemplars(t.Config.Metrics.Exemplars)
	n.out.Allow(t.Config.Outbound.Allow)
	if err := n.admin.Swap(t.Config.Admin); err != nil {
		n.log.Error("admin hosts and tokens kept", zap.Error(err))
	}
	if parts := needRestart(n.started, t.Config); parts != nil {
		n.log.Warn("part of the file waits for a restart", zap.Strings("keys", parts))
	}
}

// controller adds to what control says of this node what only the node knows.
type controller struct {
	*control.Loop
	node *node
}

// Overview implements admin.Controller.
func (c controller) Overview() api.Overview {
	o := c.Loop.Overview()
	o.Node.Config.Restart = needRestart(c.node.started, c.node.table.Load().Config)
	return o
}

// needRestart names the keys that are read at the start only and differ.
func needRestart(started, now *config.Config) []string {
	var keys []string
	if !reflect.DeepEqual(started.Listeners, now.Listeners) {
		keys = append(keys, "listeners")
	}
	if started.Admin.Address != now.Admin.Address {
		keys = append(keys, "admin.address")
	}
	if started.State != now.State {
		keys = append(keys, "state.dir")
	}
	return keys
}

// deliver hands what the watcher read to control.
func (n *node) deliver(ctx context.Context, l config.Loaded) {
	if l.Poked {
		ctx = control.Signalled(ctx)
	}
	if l.Err != nil {
		n.control.Invalid(ctx, l.Digest, l.Err)
		return
	}
	// What becomes of the file is logged and shown by control.
	_ = n.control.Offer(ctx, l.Config)
}

// reread is a reload asked for by the API.
func (n *node) reread(ctx context.Context) (*config.Config, error) {
	l, err := n.watcher.Reload(ctx)
	if err != nil {
		return nil, err
	}
	return l.Config, l.Err
}

func (n *node) pollOnly(err error) {
	n.log.Warn("file changes are found by polling only", zap.Error(err))
}

// scrape serves /metrics with the state of the configuration as it is now.
func (n *node) scrape(w http.ResponseWriter, r *http.Request) {
	ok, at, digest := n.control.ConfigStatus()
	n.metrics.ConfigLoaded(ok, digest, at)
	n.metrics.Handler().ServeHTTP(w, r)
}

// sample is what is true at the moment of a scrape.
func (n *node) sample() metrics.Snapshot {
	s := metrics.Snapshot{InFlight: n.proxy.InFlight(), Leader: n.control.Leads()}
	for _, p := range n.table.Load().Pools {
		for _, t := range p.Targets {
			s.Targets = append(s.Targets, metrics.TargetSample{
				Service: p.Service.Name, Pool: p.Name, Target: t.URL, Up: t.Status() == router.Up,
			})
		}
	}
	for _, c := range n.control.Samples() {
		s.Weights = append(s.Weights, weightSamples(c)...)
		var age time.Duration
		if !c.Since.IsZero() {
			age = time.Since(c.Since)
		}
		s.Intents = append(s.Intents, metrics.IntentSample{Service: c.Service, Age: age})
		rollout, evidence := rolloutSamples(c)
		s.Rollouts = append(s.Rollouts, rollout)
		s.Evidence = append(s.Evidence, evidence...)
	}
	return s
}

func weightSamples(c control.Sample) []metrics.WeightSample {
	var out []metrics.WeightSample
	layers := []struct {
		name    string
		weights config.Weights
	}{{"file", c.File}, {"intent", c.Intent}, {"in_force", c.InForce}}
	for _, l := range layers {
		if l.weights == nil {
			continue
		}
		for _, pool := range c.Pools {
			ratio := float64(l.weights[pool]) / float64(config.Full)
			out = append(out, metrics.WeightSample{Service: c.Service, Pool: pool, Layer: l.name, Ratio: ratio})
		}
	}
	return out
}

// timedStore measures the writes of a store. Reads are served from memory.
type timedStore struct {
	store.Store
	metrics *metrics.Registry
}

// Put measures and counts.
func (s timedStore) Put(ctx context.Context, key string, value []byte, prev store.Revision) (store.Revision, error) {
	began := time.Now()
	rev, err := s.Store.Put(ctx, key, value, prev)
	s.metrics.ObserveStore("put", err, errors.Is(err, store.ErrConflict), time.Since(began))
	return rev, err
}
