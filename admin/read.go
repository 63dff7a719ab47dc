package admin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	answer(w, r, exchangeOf(r).scope.overview(s.controller.Overview()))
}

// service shows one service. Its ETag is the revision that If-Match compares with; there is no 304,
// because the answer also has figures that no revision covers.
func (s *Server) service(w http.ResponseWriter, r *http.Request) {
	service, err := s.controller.Service(serviceName(r))
	if err != nil {
		refuse(w, r, err)
		return
	}
	setETag(w, service.Revision)
	answer(w, r, service)
}

func live(w http.ResponseWriter, _ *http.Request) { plain(w, "ok") }

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if s.ready != nil {
		if err := s.ready(); err != nil {
			refuse(w, r, bare(http.StatusServiceUnavailable, "Not ready: %s.", err))
			return
		}
	}
	plain(w, "ready")
}

func plain(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text+"\n") // the client went away: nobody to tell
}

func setETag(w http.ResponseWriter, revision int64) {
	if revision > 0 {
		w.Header().Set("ETag", strconv.Quote(strconv.FormatInt(revision, 10)))
	}
}

func answer(w http.ResponseWriter, r *http.Request, v any) { answerAs(w, r, http.StatusOK, v) }

func answerAs(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		refuse(w, r, fmt.Errorf("write the answer of %s: %w", r.URL.Path, err))
		return
	}
	limitWrite(w)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client went away: nobody to tell
}
