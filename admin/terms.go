package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"

	"github.com/switchback-proxy/switchback/admin/api"
)

// maxKey bounds an Idempotency-Key, in bytes.
const maxKey = 128

// terms reads what every write may say beside its body: whether it is only tried, and by which key it is known
// when it is sent again.
func terms(r *http.Request) *api.Error {
	x := exchangeOf(r)
	var problem *api.Error
	if x.DryRun, problem = dryRun(r.URL.RawQuery); problem != nil {
		return problem
	}
	x.Key, problem = idempotencyKey(r.Header)
	return problem
}

// dryRun reads the query of a write. What it does not understand it refuses: to ignore a word would do what
// somebody wanted to try.
func dryRun(query string) (bool, *api.Error) {
	if query == "" {
		return false, nil
	}
	values, err := url.ParseQuery(query)
	given := values["dry_run"]
	if err != nil || len(values) != 1 || len(given) != 1 || given[0] != "true" && given[0] != "false" {
		return false, invalid("The query %q is not understood here; it can only be dry_run=true or dry_run=false.", clip(query))
	}
	return given[0] == "true", nil
}

// idempotencyKey is the key of a write, "" when it has none.
func idempotencyKey(h http.Header) (string, *api.Error) {
	values := h.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	ok := len(values) == 1 && key != "" && len(key) <= maxKey
	for i := range len(key) {
		ok = ok && key[i] > ' ' && key[i] < 0x7f
	}
	if !ok {
		return "", invalid("Idempotency-Key is %q; send one word of at most %d visible characters, such as a UUID.", clip(key), maxKey)
	}
	return key, nil
}

// identify notes what a request asks for, so that the same one is known when it comes again.
func identify(r *http.Request, body []byte) {
	sum := sha256.New()
	for _, part := range []string{r.Method, r.URL.EscapedPath()} {
		sum.Write([]byte(part + "\n"))
	}
	sum.Write(body)
	exchangeOf(r).Request = hex.EncodeToString(sum.Sum(nil)[:16])
}

// replayed says that an answer was given before.
func replayed(w http.ResponseWriter, so bool) {
	if so {
		w.Header().Set("Idempotency-Replayed", "true")
	}
}
