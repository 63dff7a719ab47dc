package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/admin"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/control"
	"github.com/switchback-proxy/switchback/flags/ofrep"
	"github.com/switchback-proxy/switchback/health"
	"github.com/switchback-proxy/switchback/journal"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/notify"
	"github.com/switchback-proxy/switchback/outbound"
	"github.com/switchback-proxy/switchback/proxy"
	"github.com/switchback-proxy/switchback/router"
	"github.com/switchback-proxy/switchback/scrape"
	"github.com/switchback-proxy/switchback/store/bolt"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/errgroup"
)

// node is one switchback process: the parts, joined. open makes one, Run lives it.
type node struct {
	log     *zap.Logger
	level   zap.AtomicLevel
	version string
	manager manager
	started *config.Config // what listeners, admin and state were opened with

	out     *outbound.Client
	scraper *scrape.Scraper
	metrics *metrics.Registry
	store   *bolt.Store
	journal *journal.Journal // nil: events end with the process
	checker *health.Checker
	proxy   *proxy.Server
	control *control.Loop
	admin   *admin.Server
	flags   *ofrep.Server
	watcher *config.Watcher

	listeners     []proxy.Listener
	applications  []applications
	adminListener net.Listener

	table    atomic.Pointer[router.Table]
	stopping atomic.Bool
}

// nodeOptions are what serve and demo choose differently.
type nodeOptions struct {
	Log     *zap.Logger
	Lines   *logWriter      // below Log, to count what it drops; nil: none
	Level   zap.AtomicLevel // set from the file
	Version string
	Manager manager // zero: nobody is told
}

// openNode brings a file to the point where nothing can go wrong any more but the sockets' traffic:
// state read, weights in force, probes ready, every address bound. On an error everything is closed.
func openNode(ctx context.Context, file string, o nodeOptions) (*node, error) {
	c, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	n := &node{log: o.Log, level: o.Level, version: o.Version, manager: o.Manager, started: c, metrics: metrics.New(o.Version)}
	if o.Lines != nil {
		o.Lines.dropped.Store(new(n.metrics.LogDropped))
	}
	if err := n.open(ctx, c); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// open makes the parts of c. After an error close ends those that are there.
func (n *node) open(ctx context.Context, c *config.Config) error {
	n.setLevel(c)
	n.metrics.ShowExemplars(c.Metrics.Exemplars)
	n.proxy = proxy.New(proxy.Options{Log: n.log, Metrics: n.metrics})
	n.flags = ofrep.New(ofrep.Options{Log: n.log, Metrics: n.metrics})
	n.out = outbound.New(outbound.Options{Agent: "switchback/" + n.version, Allow: c.Outbound.Allow})
	n.scraper = scrape.New(n.out.Do)
	n.checker = health.New(health.Options{Log: n.log, Version: n.version, OnChange: n.healthChanged})
	var err error
	if n.watcher, err = config.NewWatcher(c.File, c, config.WatchOptions{OnPollOnly: n.pollOnly}); err != nil {
		return err
	}
	if err := n.openState(ctx, c); err != nil {
		return err
	}
	n.metrics.Source(n.sample)
	// Only now: a listener that is open before its table would answer 404.
	return n.listen(c)
}

// openState opens the store and puts the traffic it remembers in force.
func (n *node) openState(ctx context.Context, c *config.Config) error {
	var err error
	var report bolt.Report
	n.store, report, err = bolt.Open(c.State.Dir, bolt.Options{OnWarning: func(err error) { n.log.Warn("state kept with trouble", zap.Error(err)) }})
	if err != nil {
		return fmt.Errorf("open state.dir %s: %w", c.State.Dir, err)
	}
	for _, w := range report.Warnings {
		n.log.Warn("state repaired", zap.String("warning", w), zap.String("set_aside", report.SetAside))
	}
	n.metrics.StateOrigin(report.Origin.String())
	kept := n.openJournal(c)
	n.control = control.New(control.Options{
		Config: c, Store: timedStore{n.store, n.metrics}, Swapper: n, Prober: n.checker, Log: n.log,
		Reread: n.reread, Version: n.version, Origin: report.Origin.String(), Lost: report.Origin == bolt.Lost,
		Connections: n.metrics.Paths,
		Sampler:     sampled{n.metrics}, Count: sampled{n.metrics}, Elector: n.store,
		Scraper:   n.scraper,
		Messenger: notify.New(n.out, n.log), Journal: n.journal, Kept: kept,
		Restart: func(now *config.Config) []string { return needRestart(n.started, now) },
	})
	return n.control.Start(ctx)
}

// listen reads tokens and certificates and binds every address.
func (n *node) listen(c *config.Config) error {
	var err error
	n.admin, err = admin.New(admin.Deps{
		Config: c.Admin, Controller: controller{n.control, n}, Metrics: http.HandlerFunc(n.scrape), Evaluate: n.flags, Ready: n.ready, Log: n.log,
		Streams: n.metrics,
	})
	if err != nil {
		return err
	}
	for _, l := range c.Listeners {
		open := n.listenTraffic
		if l.Serve == config.ServeFlags {
			open = n.listenFlags
		}
		if err := open(l); err != nil {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
	}
	if n.adminListener, err = admin.Listen(c.Admin); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	n.out.Admin(n.adminListener.Addr())
	return nil
}

// listenTraffic reads the certificates of a listener and binds its address.
func (n *node) listenTraffic(l config.Listener) error {
	open := proxy.Listener{Config: l}
	var err error
	if l.TLS != nil {
		if open.Certificates, err = proxy.LoadCertificates(l.TLS, n.log); err != nil {
			return err
		}
	}
	if open.Listener, err = net.Listen("tcp", l.Address); err != nil {
		return err
	}
	n.listeners = append(n.listeners, open)
	return nil
}

// Run serves until ctx ends, then stops in order: not ready, shutdown.delay, listeners closed, requests
// finished, and only then what they need. The first part that fails ends the others.
func (n *node) Run(ctx context.Context) error {
	defer n.close()
	decide, stopDeciding := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDeciding()
	g, decide := errgroup.WithContext(decide)
	serve, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()

	g.Go(func() error { return n.checker.Run(decide) })
	g.Go(func() error { return n.control.Run(decide) })
	g.Go(func() error { return n.scraper.Run(decide) })
	g.Go(func() error { return n.watcher.Run(decide, func(l config.Loaded) { n.deliver(decide, l) }) })
	g.Go(func() error { return n.admin.Serve(decide, n.adminListener) })
	n.serveFlags(decide, g)
	var serving sync.WaitGroup
	for _, l := range n.listeners {
		serving.Add(1)
		g.Go(func() error {
			defer serving.Done()
			return n.proxy.Serve(serve, l)
		})
	}
	n.announce()
	n.manager.ready(statusServing)
	select {
	case <-ctx.Done():
		n.log.Info("stopping", zap.NamedError("cause", context.Cause(ctx)))
		n.stopping.Store(true)
		n.control.Stopping(context.Cause(ctx))
		n.manager.stopping()
		n.wait(decide)
	case <-decide.Done():
	}
	stopServing()
	serving.Wait()
	n.flags.Close() // streams on the admin listener, which waits for its requests
	stopDeciding()
	err := g.Wait()
	n.log.Info("stopped", zap.Error(err))
	return err
}

// wait gives balancers in front time to notice that we are not ready any more.
func (n *node) wait(ctx context.Context) {
	select {
	case <-time.After(n.table.Load().Config.Shutdown.Delay):
	case <-ctx.Done():
	}
}

func (n *node) announce() {
	for _, l := range n.listeners {
		n.log.Info("listening", zap.String("listener", l.Config.Name), zap.Stringer("address", l.Addr()),
			zap.Bool("tls", l.Certificates != nil), zap.String("pool", l.Config.Pool))
	}
	for _, l := range n.applications {
		n.log.Info("listening for flags", zap.String("listener", l.Config.Name), zap.Stringer("address", l.Addr()), zap.Bool("tls", l.TLS != nil))
	}
	n.log.Info("switchback is ready", zap.String("version", n.version), zap.Stringer("admin", n.adminListener.Addr()),
		zap.String("config", n.started.File), zap.String("state", n.started.State.Dir), zap.Int("services", len(n.started.Services)))
}

// close ends what open started and Run does not own. The store is last: everything before may write.
func (n *node) close() {
	for _, l := range n.listeners {
		_ = l.Close() // closed already after Run
	}
	for _, l := range n.applications {
		_ = l.Close() // the same
	}
	if n.adminListener != nil {
		_ = n.adminListener.Close()
	}
	if n.proxy != nil {
		n.proxy.Close()
	}
	if n.out != nil {
		n.out.Close()
	}
	if n.journal != nil {
		if err := n.journal.Close(); err != nil {
			n.log.Warn("events not closed cleanly", zap.Error(err))
		}
	}
	if n.store != nil {
		if err := n.store.Close(); err != nil {
			n.log.Error("state not closed cleanly", zap.Error(err))
		}
	}
}

func (n *node) setLevel(c *config.Config) {
	if level, err := zapcore.ParseLevel(c.Log.Level); err == nil { // the file was validated
		n.level.SetLevel(level)
	}
}

func (n *node) ready() error {
	if n.stopping.Load() {
		return errStopping
	}
	return nil
}
