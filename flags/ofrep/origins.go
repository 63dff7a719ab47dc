package ofrep

import (
	"net/http"
	"slices"
)

// origins are those of pages that may ask, "*" any of them.
type origins []string

// answer lets browsers of the origins read what follows, and reports whether the request was a browser's
// question about that, which is answered then. A browser asks without credentials.
func (o origins) answer(w http.ResponseWriter, r *http.Request) (done bool) {
	if len(o) == 0 {
		return false
	}
	h, origin := w.Header(), r.Header.Get("Origin")
	all := slices.Contains(o, "*")
	if !all {
		h.Add("Vary", "Origin")
	}
	allowed := origin != "" && (all || slices.Contains(o, origin))
	if allowed {
		if all {
			origin = "*"
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", "ETag, Retry-After")
	}
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	if !allowed {
		refuse(w, failure{
			status: http.StatusForbidden, Code: codeGeneral,
			Details: "Pages of " + clip(r.Header.Get("Origin")) + " may not ask here; name the origin in cors.",
		})
		return true
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match, Last-Event-ID, X-API-Key")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}
