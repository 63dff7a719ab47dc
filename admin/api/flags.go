package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Flag is one feature flag as GET /v1/flags/{flag} shows it.
type Flag struct {
	Name       string          `json:"name"`
	Tag        string          `json:"tag"`                // of what the flag says now; If-Match compares with it
	Says       string          `json:"says"`               // who has the flag, in words
	Definition json.RawMessage `json:"definition"`         // in force but for a kill; what PUT takes
	Layer      string          `json:"layer"`              // file or runtime: where the definition in force comes from
	File       json.RawMessage `json:"file"`               // the file's definition; null: it has none
	Set        *Decided        `json:"set"`                // who set the definition of run time; null: nobody
	Killed     *Decided        `json:"killed"`             // null: not killed
	Service    string          `json:"service,omitempty"`  // of a flag with a rollout: the service that stands for its percentage
	Problems   []string        `json:"problems,omitempty"` // conditions that cannot hold
	Durable    bool            `json:"durable"`            // false: a kill was applied that the store has not taken yet
}

// Decided is who decided, when and why.
type Decided struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Flags is the answer of GET /v1/flags, sorted by name.
type Flags struct {
	Flags []Flag `json:"flags"`
}

// FlagChange is the answer of every write to a flag. What it shows is in force for every evaluation that
// begins after the answer.
type FlagChange struct {
	Flag
	Changed  bool `json:"changed"` // false: it was so already
	Created  bool `json:"created,omitempty"`
	DryRun   bool `json:"dry_run,omitempty"` // true: nothing was changed, the rest says what would be
	Replayed bool `json:"-"`                 // see Change
}

// FlagHistory is what is remembered of the decisions about a flag, oldest first.
type FlagHistory struct {
	Decisions []FlagDecision `json:"decisions"`
}

// FlagDecision is one decision about a flag.
type FlagDecision struct {
	Decided
	Type     string `json:"type"` // flag.set, flag.dropped, flag.killed, flag.restored or flag.file
	From     string `json:"from"` // address; "" for the file
	Sentence string `json:"sentence"`
}

// FlagRequest is a write to a flag. Definition is a whole one or, with Merge, what is to change of the one
// in force: strategy, value, users. IfMatch is a tag or "*" for any flag that is there; New wants none there.
type FlagRequest struct {
	Definition json.RawMessage
	Merge      bool
	Reason     string
	IfMatch    string
	New        bool
}

// Evaluation is what a flag answers for a context.
type Evaluation struct {
	Flag    string          `json:"flag"`
	Value   json.RawMessage `json:"value"`
	Variant string          `json:"variant"`
	Reason  string          `json:"reason"`
	Error   string          `json:"error,omitempty"` // TARGETING_KEY_MISSING: value, variant and reason are empty
}

// EvaluationRequest is the body of POST /v1/flags/{flag}/evaluate.
type EvaluationRequest struct {
	Context map[string]any `json:"context"`
}

// Flags asks for every flag.
func (c *Client) Flags(ctx context.Context) (Flags, error) {
	return call[Flags](ctx, c, http.MethodGet, "v1/flags", nil)
}

// Flag asks for one flag.
func (c *Client) Flag(ctx context.Context, name string) (Flag, error) {
	return call[Flag](ctx, c, http.MethodGet, flagPath(name), nil)
}

// SetFlag changes what is given of a flag's definition, and makes a flag that is not there.
func (c *Client) SetFlag(ctx context.Context, name string, q FlagRequest) (FlagChange, error) {
	return c.writeFlag(ctx, http.MethodPost, "api/flags/"+url.PathEscape(name), q)
}

// PutFlag gives a flag a whole definition.
func (c *Client) PutFlag(ctx context.Context, name string, q FlagRequest) (FlagChange, error) {
	return c.writeFlag(ctx, http.MethodPut, flagPath(name), q)
}

// writeFlag sends a definition with its reason.
func (c *Client) writeFlag(ctx context.Context, method, path string, q FlagRequest) (FlagChange, error) {
	body := map[string]json.RawMessage{}
	if err := json.Unmarshal(q.Definition, &body); err != nil {
		return FlagChange{}, err
	}
	body["reason"] = json.RawMessage(strconv.Quote(""))
	if q.Reason != "" {
		reason, err := json.Marshal(q.Reason)
		if err != nil {
			return FlagChange{}, err
		}
		body["reason"] = reason
	}
	return call[FlagChange](ctx, c.tagged(q.IfMatch), method, path, body)
}

// DropFlag returns a flag to what the file says; a flag of run time is gone.
func (c *Client) DropFlag(ctx context.Context, name string, q CommandRequest) (FlagChange, error) {
	return call[FlagChange](ctx, c, http.MethodDelete, flagPath(name), q)
}

// KillFlag gives everybody the off variant, until RestoreFlag.
func (c *Client) KillFlag(ctx context.Context, name string, q CommandRequest) (FlagChange, error) {
	return call[FlagChange](ctx, c, http.MethodPost, flagPath(name, "kill"), q)
}

// RestoreFlag ends a kill.
func (c *Client) RestoreFlag(ctx context.Context, name string, q CommandRequest) (FlagChange, error) {
	return call[FlagChange](ctx, c, http.MethodPost, flagPath(name, "restore"), q)
}

// FlagHistory asks for what is remembered of the decisions about a flag.
func (c *Client) FlagHistory(ctx context.Context, name string) (FlagHistory, error) {
	return call[FlagHistory](ctx, c, http.MethodGet, flagPath(name, "history"), nil)
}

// EvaluateFlag asks what a flag answers for a context.
func (c *Client) EvaluateFlag(ctx context.Context, name string, q EvaluationRequest) (Evaluation, error) {
	return call[Evaluation](ctx, c, http.MethodPost, flagPath(name, "evaluate"), q)
}

func flagPath(name string, rest ...string) string {
	path := "v1/flags/" + url.PathEscape(name)
	for _, r := range rest {
		path += "/" + r
	}
	return path
}
