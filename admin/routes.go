package admin

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// routes is the whole surface. The guards stand before the router, so that a path nobody serves is
// answered no sooner than one that exists.
func (s *Server) routes(metrics, evaluate http.Handler) http.Handler {
	r := chi.NewRouter()
	r.Use(s.begin, limitTime, s.checkHost, s.checkToken, checkOrigin, middleware.GetHead)
	r.NotFound(notFound)
	r.MethodNotAllowed(methodNotAllowed)

	r.Get("/livez", live)
	r.Get("/readyz", s.readyz)
	r.Get("/openapi.json", openAPI)
	if metrics != nil {
		r.Method(http.MethodGet, "/metrics", metrics)
	}
	if evaluate != nil {
		r.Mount(evaluatePath, evaluate)
	}

	r.Get("/v1/services", s.overview)
	r.Get("/v1/services/{service}", s.service)
	r.Put("/v1/services/{service}/weights", command(s, checkWeights, s.controller.SetWeights))
	r.Delete("/v1/services/{service}/weights", command(s, checkForced, s.controller.DropIntent))
	r.Post("/v1/services/{service}/cutover", command(s, checkCutover, s.controller.Cutover))
	r.Post("/v1/services/{service}/rollback", command(s, checkForced, s.controller.Rollback))
	r.Post("/v1/services/{service}/rollout/rollback", command(s, checkForced, s.controller.Rollback))
	r.Post("/v1/services/{service}/rollout/pause", command(s, checkPlain, s.controller.Pause))
	r.Post("/v1/services/{service}/rollout/resume", command(s, checkPlain, s.controller.Resume))
	r.Post("/v1/config/reload", s.reload)
	s.rolloutRoutes(r)
	s.flagRoutes(r)
	s.questionRoutes(r)
	return r
}
