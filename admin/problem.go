package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/switchback-proxy/switchback/admin/api"
)

// refuse answers with a problem. An error that is no *api.Error is answered as internal: what it says
// goes to the log, not to the caller.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r)
	p, ok := errors.AsType[*api.Error](err)
	if !ok {
		p = api.Problem(api.TypeInternal, "The server could not do this; its log says why.")
		x.cause = err
	}
	x.refused = p
	body, err := json.Marshal(p)
	if err != nil {
		x.cause = fmt.Errorf("write a problem: %w", err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the client went away: nobody to tell
}

// bare is a problem that its status says in full (RFC 9457 §4.2.1).
func bare(status int, format string, args ...any) *api.Error {
	return &api.Error{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: fmt.Sprintf(format, args...),
	}
}

func invalid(format string, args ...any) *api.Error {
	return api.Problem(api.TypeInvalid, format, args...)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, api.Problem(api.TypeNotFound, "There is nothing at %s.", clip(r.URL.Path)))
}

// methodNotAllowed names the methods a path has in Allow (RFC 9110 §15.5.6).
func methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	var allow []string
	for _, m := range []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete} {
		if chi.RouteContext(r.Context()).Routes.Match(chi.NewRouteContext(), m, path) {
			allow = append(allow, m)
		}
	}
	if len(allow) == 0 {
		notFound(w, r)
		return
	}
	if allow[0] == http.MethodGet {
		allow = slices.Insert(allow, 1, http.MethodHead)
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	refuse(w, r, bare(http.StatusMethodNotAllowed, "%s is not possible here; use %s.", clip(r.Method), strings.Join(allow, " or ")))
}
