// Package admin serves the admin API, the probes and /metrics to people and tools, and keeps everybody
// else out: it owns the guards, the strict reading of requests and the problems that answer them. It
// decides nothing about traffic; every command goes to a Controller.
package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/limit"
	"go.uber.org/zap"
)

// Controller carries out what the API asks for. Its methods may be called concurrently. An error is an
// *api.Error, whose detail the caller sees; any other error is logged and answered as internal.
type Controller interface {
	Overview() api.Overview
	Service(name string) (api.Service, error)

	SetWeights(ctx context.Context, service string, q api.WeightsRequest, c api.Call) (api.Change, error)
	DropIntent(ctx context.Context, service string, q api.CommandRequest, c api.Call) (api.Change, error)
	// Cutover may take as long as q.Timeout when q.Wait asks for it.
	Cutover(ctx context.Context, service string, q api.CutoverRequest, c api.Call) (api.Change, error)
	Rollback(ctx context.Context, service string, q api.CommandRequest, c api.Call) (api.Change, error)
	Pause(ctx context.Context, service string, q api.CommandRequest, c api.Call) (api.Change, error)
	Resume(ctx context.Context, service string, q api.CommandRequest, c api.Call) (api.Change, error)

	Reload(ctx context.Context, c api.Call) (api.Reload, error)

	// Refused is told of every request that is turned away at the door, and does not wait.
	Refused(c api.Call, what string)

	Rollouts
	Flags
	Questions
}

// Deps is what a Server needs. Controller and Log are required.
type Deps struct {
	Config     config.Admin
	Controller Controller
	Metrics    http.Handler // serves GET /metrics; nil: not found
	Evaluate   http.Handler // serves /ofrep/v1/, for applications that ask for flags; nil: not found
	Streams    Streams      // counts streams of events; nil: nobody does
	Ready      func() error // nil or an error that says why /readyz fails; a nil func is always ready
	Log        *zap.Logger
}

// Streams counts streams of events. Its methods may be called concurrently.
type Streams interface {
	StreamOpened()
	StreamClosed(cut bool) // cut: its reader was too slow
}

type noStreams struct{}

func (noStreams) StreamOpened()     {}
func (noStreams) StreamClosed(bool) {}

// Server is the admin API as an http.Handler. It is safe for concurrent use.
type Server struct {
	address    string // as configured at New; Swap does not move it
	controller Controller
	ready      func() error
	log        *zap.Logger
	handler    http.Handler
	guard      atomic.Pointer[guard]
	limiter    *limit.Tries
	streams    chan struct{} // one for each open stream of events
	counts     Streams
}

// New reads the token files and builds a Server. It refuses to start with a token file that is
// unreadable or empty, and without tokens on an address that is neither loopback nor a socket.
func New(d Deps) (*Server, error) {
	if d.Controller == nil || d.Log == nil {
		return nil, errors.New("admin: a controller and a log are needed")
	}
	s := &Server{
		address:    d.Config.Address,
		controller: d.Controller,
		ready:      d.Ready,
		log:        d.Log,
		limiter:    limit.NewTries(maxTries, time.Minute),
		streams:    make(chan struct{}, maxStreams),
		counts:     d.Streams,
	}
	if s.counts == nil {
		s.counts = noStreams{}
	}
	t, err := readTokens(d.Config.Tokens, d.Log)
	if err != nil {
		return nil, err
	}
	if err := s.admit(d.Config, t); err != nil {
		return nil, err
	}
	s.handler = s.routes(d.Metrics, d.Evaluate)
	return s, nil
}

// Swap puts the hosts and tokens of cfg in force for every request that arrives after it returns. The
// address stays what it was at New. A token whose file is unreadable or empty does not work until the file
// is there, and never opens the door: keeping the tokens before would let in one that was taken out. An
// error says that without tokens the address would be open to others; then nothing changes.
func (s *Server) Swap(cfg config.Admin) error {
	t, err := readTokens(cfg.Tokens, s.log)
	if err != nil {
		s.log.Error("tokens do not work", zap.Error(err))
	}
	return s.admit(cfg, t)
}

// admit lets in those of cfg.
func (s *Server) admit(cfg config.Admin, t *tokens) error {
	cfg.Address = s.address
	if t.None() && !private(cfg.Address) {
		return fmt.Errorf("admin address %s is open to others and no token is configured: "+
			"add admin.tokens, or use a loopback address or unix:/path", cfg.Address)
	}
	s.guard.Store(&guard{tokens: t, hosts: newHosts(cfg)})
	return nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// socketPath is the path of a "unix:/path" address.
func socketPath(address string) (string, bool) { return strings.CutPrefix(address, "unix:") }
