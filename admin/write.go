package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/switchback-proxy/switchback/admin/api"
)

const (
	maxReason = 1024      // bytes
	maxWait   = time.Hour // of a cutover that waits
)

// command makes the handler of a write on one service. Everything that can be wrong with a request is
// found before do is called, so a refused request has changed nothing.
func command[Q any](
	s *Server,
	check func(*Q) *api.Error,
	do func(context.Context, string, Q, api.Call) (api.Change, error),
) http.HandlerFunc {
	return commandAs(s, func(w http.ResponseWriter, r *http.Request, c api.Change) { answer(w, r, c) }, check, do)
}

// commandAs is command with an answer of its own.
func commandAs[Q any](
	s *Server,
	reply func(http.ResponseWriter, *http.Request, api.Change),
	check func(*Q) *api.Error,
	do func(context.Context, string, Q, api.Call) (api.Change, error),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := serviceName(r)
		if _, err := s.controller.Service(name); err != nil {
			refuse(w, r, err)
			return
		}
		var q Q
		if problem := accept(w, r, &q, check); problem != nil {
			refuse(w, r, problem)
			return
		}
		unlimitRead(w)
		x := exchangeOf(r)
		change, err := do(r.Context(), name, q, x.Call)
		if err != nil {
			refuse(w, r, err)
			return
		}
		x.revision, x.changed = change.Revision, change.Changed
		replayed(w, change.Replayed)
		setETag(w, change.Revision)
		reply(w, r, change)
	}
}

// accept reads everything a client may say in a write.
func accept[Q any](w http.ResponseWriter, r *http.Request, q *Q, check func(*Q) *api.Error) *api.Error {
	if problem := terms(r); problem != nil {
		return problem
	}
	match, problem := ifMatch(r.Header)
	if problem != nil {
		return problem
	}
	exchangeOf(r).IfMatch = match
	if problem := decode(w, r, q); problem != nil {
		return problem
	}
	if problem := check(q); problem != nil {
		return problem
	}
	reason := reasonOf(q)
	if len(reason) > maxReason {
		return invalid("reason has %d bytes; at most %d are kept.", len(reason), maxReason)
	}
	exchangeOf(r).reason = reason
	return nil
}

func reasonOf(q any) string {
	switch q := q.(type) {
	case *api.WeightsRequest:
		return q.Reason
	case *api.CutoverRequest:
		return q.Reason
	case *api.CommandRequest:
		return q.Reason
	case *api.StartRequest:
		return q.Reason
	case *api.PromoteRequest:
		return q.Reason
	}
	return ""
}

// ifMatch is the revision in If-Match, 0 when there is none or any will do. Entity tags here are
// revisions: "42", and 42 for those who type it.
func ifMatch(h http.Header) (int64, *api.Error) {
	values := h.Values("If-Match")
	if len(values) == 0 || len(values) == 1 && values[0] == "*" {
		return 0, nil
	}
	tag := strings.Join(values, ", ")
	inner, quoted := strings.CutPrefix(tag, `"`)
	if quoted {
		inner, quoted = strings.CutSuffix(inner, `"`)
		if !quoted {
			inner = ""
		}
	}
	rev, err := strconv.ParseInt(inner, 10, 64)
	if err != nil || rev <= 0 {
		return 0, invalid(`If-Match is %q; send one revision as the service shows it, such as "42", or *.`, clip(tag))
	}
	return rev, nil
}

func checkWeights(q *api.WeightsRequest) *api.Error {
	if q.Weights == nil {
		return invalid(`weights is missing; send {"weights": {"blue": 70, "green": 30}}.`)
	}
	return checkForce(q.Force, q.Reason)
}

func checkCutover(q *api.CutoverRequest) *api.Error {
	if q.To == "" {
		return invalid(`to is missing; name the pool that gets all traffic.`)
	}
	if q.Wait != "" && q.Wait != "drained" {
		return invalid(`wait is %q; it can only be "drained".`, clip(q.Wait))
	}
	if q.Timeout != "" {
		if q.Wait == "" {
			return invalid(`timeout bounds the wait; send "wait": "drained" with it.`)
		}
		if d, err := time.ParseDuration(q.Timeout); err != nil || d <= 0 || d > maxWait {
			return invalid("timeout is %q; it is a duration such as 5m, at most 1h.", clip(q.Timeout))
		}
	}
	return checkForce(q.Force, q.Reason)
}

func checkForced(q *api.CommandRequest) *api.Error { return checkForce(q.Force, q.Reason) }

// checkNothing is for requests in which no word can be wrong by itself.
func checkNothing[Q any](*Q) *api.Error { return nil }

func checkPlain(q *api.CommandRequest) *api.Error {
	if q.Force {
		return invalid("force does nothing here; leave it out.")
	}
	return nil
}

func checkGate(q *api.OpenGateRequest) *api.Error {
	switch q.Gate {
	case "", "start", "promote", "finish":
	default:
		return invalid("gate is %q; it is start, promote or finish.", clip(q.Gate))
	}
	if strings.TrimSpace(q.Reason) == "" {
		return invalid("to open a gate by hand needs a reason.")
	}
	return nil
}

func checkForce(force bool, reason string) *api.Error {
	if force && strings.TrimSpace(reason) == "" {
		return invalid("force needs a reason.")
	}
	return nil
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	var q api.CommandRequest
	if problem := accept(w, r, &q, checkPlain); problem != nil {
		refuse(w, r, problem)
		return
	}
	x := exchangeOf(r)
	if x.IfMatch != 0 {
		refuse(w, r, invalid("If-Match names the revision of a service; a reload has none."))
		return
	}
	unlimitRead(w)
	x.Reason = q.Reason
	answered, err := s.controller.Reload(r.Context(), x.Call)
	if err != nil {
		refuse(w, r, err)
		return
	}
	x.changed = answered.Changed
	replayed(w, answered.Replayed)
	answer(w, r, answered)
}

func serviceName(r *http.Request) string { return pathParam(r, "service") }

// pathParam is a name in the path. The router matches escaped paths as they are.
func pathParam(r *http.Request, key string) string {
	name := chi.URLParam(r, key)
	if r.URL.RawPath == "" {
		return name
	}
	plain, err := url.PathUnescape(name)
	if err != nil {
		return name
	}
	return plain
}
