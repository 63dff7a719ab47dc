package admin

import (
	"context"
	"mime"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
)

// Questions is the part of a Controller that says what would be. Nothing it does changes anything.
type Questions interface {
	Explain(ctx context.Context, q api.ExplainRequest) (api.Explanation, error)
	Cohort(ctx context.Context, q api.CohortRequest) (api.Cohort, error)

	EffectiveConfig() (api.ConfigShown, error)
	CheckConfig(ctx context.Context, text []byte) (api.ConfigCheck, error)
	DiffConfig(ctx context.Context, text []byte) (api.ConfigDiff, error)
}

// questions are the paths of what is asked by POST, because it is too much for a query.
var questions = map[string]bool{"/v1/explain": true, "/v1/cohort": true, "/v1/config/check": true, "/v1/config/diff": true}

const (
	maxCohortBody = 4 << 20
	maxHeaders    = 200
	maxKeys       = 10_000
)

func (s *Server) questionRoutes(r chi.Router) {
	r.Post("/v1/explain", question(maxBody, checkExplain, s.controller.Explain))
	r.Post("/v1/cohort", question(maxCohortBody, checkCohort, s.controller.Cohort))
	r.Get("/v1/config", s.config)
	r.Post("/v1/config/check", aboutFile(s.controller.CheckConfig))
	r.Post("/v1/config/diff", aboutFile(s.controller.DiffConfig))
}

func (s *Server) config(w http.ResponseWriter, r *http.Request) {
	shown, err := s.controller.EffectiveConfig()
	if err != nil {
		refuse(w, r, err)
		return
	}
	answer(w, r, shown)
}

// aboutFile makes the handler of a question about the text of a file.
func aboutFile[A any](ask func(context.Context, []byte) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, problem := readFile(w, r)
		if problem != nil {
			refuse(w, r, problem)
			return
		}
		unlimitRead(w)
		a, err := ask(r.Context(), text)
		if err != nil {
			refuse(w, r, err)
			return
		}
		answer(w, r, a)
	}
}

// readFile reads the text of a file. One that is too large is read a little further, for the file's own rules to say so.
func readFile(w http.ResponseWriter, r *http.Request) ([]byte, *api.Error) {
	if problem := noQuery(r); problem != nil {
		return nil, problem
	}
	fields := r.Header.Values("Content-Type")
	if len(fields) != 1 || !yamlTypes[mediaType(fields[0])] {
		return nil, invalid("Content-Type is %q; send the text of the file as application/yaml.", clip(strings.Join(fields, ", ")))
	}
	return readBody(w, r, config.MaxSize+1)
}

// yamlTypes are the names of YAML, the registered one first (RFC 9512).
var yamlTypes = map[string]bool{"application/yaml": true, "application/x-yaml": true, "text/yaml": true, "text/x-yaml": true}

func mediaType(field string) string {
	media, _, err := mime.ParseMediaType(field)
	if err != nil {
		return ""
	}
	return media
}

// question makes the handler of a POST that only asks.
func question[Q, A any](limit int64, check func(*Q) *api.Error, ask func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var q Q
		problem := noQuery(r)
		if problem == nil {
			problem = decodeUpTo(limit, w, r, &q)
		}
		if problem == nil {
			problem = check(&q)
		}
		if problem != nil {
			refuse(w, r, problem)
			return
		}
		a, err := ask(r.Context(), q)
		if err != nil {
			refuse(w, r, err)
			return
		}
		answer(w, r, a)
	}
}

func noQuery(r *http.Request) *api.Error {
	if r.URL.RawQuery != "" {
		return invalid("The query %q is not understood here; leave it out.", clip(r.URL.RawQuery))
	}
	return nil
}

func checkExplain(q *api.ExplainRequest) *api.Error {
	if q.Path != "" && q.Path != "*" && !strings.HasPrefix(q.Path, "/") {
		return invalid("path is %q; it begins with a slash.", clip(q.Path))
	}
	if len(q.Headers) > maxHeaders {
		return invalid("there are %d headers; at most %d are looked at.", len(q.Headers), maxHeaders)
	}
	return nil
}

func checkCohort(q *api.CohortRequest) *api.Error {
	if q.Service == "" && q.Flag == "" {
		return invalid(`name a service or a flag; send {"service": "shop", "weight": 10, "keys": ["42"]}.`)
	}
	if len(q.Keys) > maxKeys {
		return invalid("there are %d keys; at most %d are looked at at once.", len(q.Keys), maxKeys)
	}
	return nil
}
