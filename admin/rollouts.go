package admin

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-chi/chi/v5"
	"github.com/switchback-proxy/switchback/admin/api"
)

// Rollouts is the part of a Controller that knows rollouts and events.
type Rollouts interface {
	StartRollout(ctx context.Context, service string, q api.StartRequest, c api.Call) (api.Change, error)
	Promote(ctx context.Context, service string, q api.PromoteRequest, c api.Call) (api.Change, error)
	Approve(ctx context.Context, service string, q api.CommandRequest, c api.Call) (api.Change, error)
	StepBack(ctx context.Context, service string, q api.CommandRequest, c api.Call) (api.Change, error)
	OpenGate(ctx context.Context, service string, q api.OpenGateRequest, c api.Call) (api.Change, error)

	Plan(ctx context.Context, service string) (api.Plan, error)
	// Events are those behind after that are kept, oldest first; service "" is all services, after ""
	// from the oldest one.
	Events(ctx context.Context, service, after string) ([]api.Event, error)
	// Follow yields first what Events would, for all services, then every event as it happens. It closes
	// the channel when ctx ends or when the reader is too slow, who then follows again from where it was.
	Follow(ctx context.Context, after string) (<-chan api.Event, error)
}

// rolloutRoutes are the endpoints of rollouts and events.
func (s *Server) rolloutRoutes(r chi.Router) {
	c := s.controller
	r.Get("/v1/services/{service}/rollout", s.rollout)
	r.Post("/v1/services/{service}/rollout", commandAs(s, created, checkNothing, c.StartRollout))
	r.Post("/v1/services/{service}/rollout/promote", command(s, checkNothing, c.Promote))
	r.Post("/v1/services/{service}/rollout/approve", command(s, checkPlain, c.Approve))
	r.Post("/v1/services/{service}/rollout/step-back", command(s, checkPlain, c.StepBack))
	r.Post("/v1/services/{service}/rollout/open-gate", command(s, checkGate, c.OpenGate))
	r.Get("/v1/services/{service}/rollouts", s.history)
	r.Get("/v1/services/{service}/rollouts/{rollout}", s.pastRollout)
	r.Get("/v1/services/{service}/plan", s.plan)
	r.Get("/v1/events", s.events)
}

// created answers a command that began a rollout with 201 and where to look at it.
func created(w http.ResponseWriter, r *http.Request, c api.Change) {
	status := http.StatusOK
	if c.Changed && !c.DryRun {
		status = http.StatusCreated
		w.Header().Set("Location", "/v1/services/"+url.PathEscape(serviceName(r))+"/rollout")
	}
	answerAs(w, r, status, c)
}

// rollout shows the running rollout of a service or the last one, with the revision of the service.
func (s *Server) rollout(w http.ResponseWriter, r *http.Request) {
	service, err := s.controller.Service(serviceName(r))
	if err == nil && service.Rollout == nil {
		err = api.Problem(api.TypeNotFound, "No rollout ever ran on %s.", service.Name)
	}
	if err != nil {
		refuse(w, r, err)
		return
	}
	setETag(w, service.Revision)
	answer(w, r, service.Rollout)
}

func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	plan, err := s.controller.Plan(r.Context(), serviceName(r))
	if err != nil {
		refuse(w, r, err)
		return
	}
	answer(w, r, plan)
}

func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	past, err := s.past(r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	answer(w, r, api.Rollouts{Rollouts: past})
}

func (s *Server) pastRollout(w http.ResponseWriter, r *http.Request) {
	id := pathParam(r, "rollout")
	past, err := s.past(r)
	if err != nil {
		refuse(w, r, err)
		return
	}
	i := slices.IndexFunc(past, func(p api.PastRollout) bool { return p.ID == id })
	if i < 0 {
		refuse(w, r, api.Problem(api.TypeNotFound, "No rollout %q of %s is remembered.", clip(id), serviceName(r)))
		return
	}
	answer(w, r, past[i])
}

// past is what is remembered of a service's rollouts.
func (s *Server) past(r *http.Request) ([]api.PastRollout, error) {
	service, err := s.controller.Service(serviceName(r))
	if err != nil {
		return nil, err
	}
	events, err := s.controller.Events(r.Context(), service.Name, "")
	if err != nil {
		return nil, err
	}
	return group(events, service.Rollout), nil
}

// group sorts events into their rollouts. The last rollout is told by itself, so it is there although
// its events are forgotten.
func group(events []api.Event, last *api.Rollout) []api.PastRollout {
	past := []api.PastRollout{}
	at := map[string]int{}
	for _, e := range events {
		if e.Rollout == "" {
			continue
		}
		i, known := at[e.Rollout]
		if !known {
			i = len(past)
			at[e.Rollout] = i
			past = append(past, api.PastRollout{ID: e.Rollout, Began: e.At})
		}
		add(&past[i], e)
	}
	if last == nil {
		return past
	}
	i, known := at[last.ID]
	if !known {
		i = len(past)
		past = append(past, api.PastRollout{ID: last.ID, Events: []api.Event{}})
	}
	complete(&past[i], last)
	return past
}

// add notes what an event says of its rollout.
func add(p *api.PastRollout, e api.Event) {
	p.Events = append(p.Events, e)
	if e.Version != "" {
		p.Version = e.Version
	}
	if e.Sentence != "" {
		p.Sentence = e.Sentence
	}
	phase, tells := phases[e.Type]
	if !tells || p.Ended != nil {
		return
	}
	p.Phase = phase
	if phase != api.PhaseStepping && phase != api.PhaseBaking {
		p.Ended = &e.At
	}
}

// phases are what a rollout is in after an event; other types leave it where it is.
var phases = map[string]string{
	api.EventStarted:    api.PhaseStepping,
	api.EventStep:       api.PhaseStepping,
	api.EventBaking:     api.PhaseBaking,
	api.EventPromoted:   api.PhasePromoted,
	api.EventRolledBack: api.PhaseRolledBack,
	api.EventSuperseded: api.PhaseSuperseded,
}

// complete takes over what a service knows of its last rollout; Since is when its phase began.
func complete(p *api.PastRollout, last *api.Rollout) {
	p.Version, p.Phase, p.Sentence, p.Began = last.Version, last.Phase, last.Sentence, last.Began
	if !last.Running() && p.Ended == nil {
		p.Ended = &last.Since
	}
}
