package api

import (
	"context"
	"net/http"
)

// ExplainRequest is the body of POST /v1/explain: a request as a client would send it. Everything may be left out.
type ExplainRequest struct {
	Service  string            `json:"service,omitempty"`  // whose first host and path count where none is given
	Listener string            `json:"listener,omitempty"` // by name; "": the first one where weights decide
	Method   string            `json:"method,omitempty"`   // GET; no rule looks at it
	Host     string            `json:"host,omitempty"`
	Path     string            `json:"path,omitempty"` // "/"; a query is not looked at
	Client   string            `json:"client,omitempty"`
	Headers  map[string]string `json:"headers,omitempty"`
}

// Explanation is what becomes of a request and why. Where luck decides, Pool and Cause are "" and Ends has the odds.
type Explanation struct {
	Service string        `json:"service"` // "": none
	Pool    string        `json:"pool"`    // "": none, or luck decides
	Cause   string        `json:"cause"`   // listener, override, rule, key or chance
	Error   string        `json:"error"`   // why nothing serves it; "" when something does
	Steps   []ExplainStep `json:"steps"`   // in the order in which they are asked
	Key     *ExplainKey   `json:"key"`     // null: none
	Walk    []ExplainTurn `json:"walk"`    // over the pools other than the baseline, when a key decides
	Ends    []ExplainEnd  `json:"ends"`    // where it may end
	Sampled bool          `json:"sampled"` // the shares of Ends are counted over minted ids, not computed
	Flags   string        `json:"flags"`   // Switchback-Flags, as upstream is told
}

// ExplainStep is one link of the chain.
type ExplainStep struct {
	Step     string   `json:"step"` // service, listener, override, rules, cohort, target, retry, upstream
	Sentence string   `json:"sentence"`
	Details  []string `json:"details"`
}

// ExplainKey is who the user is and where the request says so.
type ExplainKey struct {
	Source string `json:"source"` // "header X-User-Id", "cookie sid", or "minted for cookie sb_id"
	Value  string `json:"value"`  // "" of one that is minted
}

// ExplainTurn is one pool that was asked whether a key is its: it is when Hash lies below Weight/Remaining of 2³².
type ExplainTurn struct {
	Pool      string  `json:"pool"`
	Hashed    string  `json:"hashed"` // the text that was hashed, key included
	Hash      uint32  `json:"hash"`   // murmur3-32, seed 0
	Position  float64 `json:"position"`
	Weight    float64 `json:"weight"`
	Remaining float64 `json:"remaining"`
	Below     float64 `json:"below"` // Position, in percent of all hashes, has to be below this
	Taken     bool    `json:"taken"`
}

// ExplainEnd is one place where a request may end.
type ExplainEnd struct {
	Pool    string   `json:"pool"`
	Cause   string   `json:"cause"`
	Share   float64  `json:"share"`   // percent of such requests; 100 when luck decides nothing
	Serves  string   `json:"serves"`  // whose targets serve: the pool, the baseline in its place, or "" when none can
	Targets []Target `json:"targets"` // of Serves that may be picked now
}

// CohortRequest is the body of POST /v1/cohort: who of some users is in. It names a service or a flag.
type CohortRequest struct {
	Service string   `json:"service,omitempty"`
	Weight  *float64 `json:"weight,omitempty"` // percent for the candidate; null: what it has
	Flag    string   `json:"flag,omitempty"`
	Value   *float64 `json:"value,omitempty"` // percent of the users who have the flag; null: as it is
	Keys    []string `json:"keys"`
}

// Cohort is who is in, in the order of the request.
type Cohort struct {
	Pool    string   `json:"pool,omitempty"` // the candidate
	Percent float64  `json:"percent"`
	Hashed  string   `json:"hashed"` // what is hashed before a key
	In      []string `json:"in"`
	Refused int      `json:"refused"` // keys that no request can bring: empty, too long, not of the form of an issued cookie
}

// Explain asks what becomes of a request and why. It changes nothing.
func (c *Client) Explain(ctx context.Context, q ExplainRequest) (Explanation, error) {
	return call[Explanation](ctx, c, http.MethodPost, "v1/explain", q)
}

// Cohort asks who of some users is in. It changes nothing.
func (c *Client) Cohort(ctx context.Context, q CohortRequest) (Cohort, error) {
	return call[Cohort](ctx, c, http.MethodPost, "v1/cohort", q)
}
