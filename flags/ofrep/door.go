package ofrep

import (
	"net/http"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/secret"
)

// maxTries is how many wrong tokens may come from one address in a minute.
const maxTries = 10

const (
	contentType = "application/json"
	flagsPath   = Prefix + "evaluate/flags"
	eventsPath  = Prefix + "events"
)

// door is one way in: a listener with its tokens and origins, or a mount behind the guards of others.
type door struct {
	server  *Server
	tokens  *secret.Tokens  // nil: everybody who gets here may ask
	origins origins         // of pages that may ask
	stop    <-chan struct{} // closed when streams have to end; nil: never
}

// ServeHTTP answers one request.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limitTime(w)
	protect(w.Header())
	select {
	case <-d.stop:
		w.Header().Set("Connection", "close") // the next request goes elsewhere
	default:
	}
	if d.origins.answer(w, r) {
		return
	}
	who, f, wait := d.authorize(r)
	switch {
	case wait > 0:
		refuseFor(w, *f, wait)
	case f != nil:
		w.Header().Set("WWW-Authenticate", `Bearer realm="switchback flags"`)
		refuse(w, *f)
	default:
		d.route(w, r, who)
	}
}

// protect keeps answers out of caches: they are about one user. No page may show or run them.
func protect(h http.Header) {
	h["Cache-Control"], h["X-Content-Type-Options"] = noStore, noSniff
}

// Fields that every answer has; nobody writes into them.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
	isJSON  = []string{contentType}
)

// route finds what is asked for. The key of a flag may hold anything, an escaped slash included.
func (d *door) route(w http.ResponseWriter, r *http.Request, who *secret.Hash) {
	key, single := strings.CutPrefix(r.URL.Path, flagsPath+"/")
	switch {
	case r.URL.Path == eventsPath:
		if allow(w, r, http.MethodGet) {
			d.events(w, r, who)
		}
	case single:
		if allow(w, r, http.MethodPost) {
			d.single(w, r, key)
		}
	case r.URL.Path == flagsPath:
		if allow(w, r, http.MethodPost) {
			d.bulk(w, r, who)
		}
	default:
		refuse(w, failure{
			status: http.StatusNotFound, Code: codeGeneral,
			Details: "There is nothing at " + clip(r.URL.Path) + "; flags are evaluated at " + flagsPath + ".",
		})
	}
}

// allow refuses other methods than the one there is.
func allow(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	refuse(w, failure{
		status: http.StatusMethodNotAllowed, Code: codeGeneral,
		Details: clip(r.Method) + " is not possible here; use " + method + ".",
	})
	return false
}

// limitTime gives a client bodyTimeout to send its request, and writeTimeout to take the answer.
func limitTime(w http.ResponseWriter) {
	c, now := http.NewResponseController(w), time.Now()
	_ = c.SetReadDeadline(now.Add(bodyTimeout)) // without a connection, in a test, there is nothing to limit
	_ = c.SetWriteDeadline(now.Add(writeTimeout))
}
