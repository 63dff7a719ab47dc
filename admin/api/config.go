package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// ConfigShown is the answer of GET /v1/config: what is in effect, defaults filled in. Config has the keys of the file;
// secrets that stand in files are named by their file, and of addresses that are called only scheme and host are shown.
type ConfigShown struct {
	File     string          `json:"file"`
	Digest   string          `json:"digest"`
	LoadedAt time.Time       `json:"loaded_at"`
	Config   json.RawMessage `json:"config"`
}

// ConfigCheck is the answer of POST /v1/config/check: what is wrong with a file.
type ConfigCheck struct {
	Valid    bool            `json:"valid"`
	Digest   string          `json:"digest"`   // of the text that was sent
	Problems []ConfigProblem `json:"problems"` // all of them, in the order of the file
}

// ConfigProblem is one thing that is wrong. Line and Column are from 1; 0 is not known.
type ConfigProblem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
}

// The outcomes of a reload.
const (
	OutcomeInvalid   = "invalid"   // nothing would change: the file is wrong
	OutcomeRefused   = "refused"   // nothing would change: see Reason
	OutcomeWaits     = "waits"     // for targets: see Reason. Then it applies
	OutcomeApplies   = "applies"   // at once
	OutcomeUnchanged = "unchanged" // the file is in force
)

// ConfigDiff is the answer of POST /v1/config/diff: what a reload of a file would do now.
type ConfigDiff struct {
	ConfigCheck
	InForce string         `json:"in_force"` // digest of the file in force
	Outcome string         `json:"outcome"`  // one of the Outcome constants
	Reason  string         `json:"reason"`   // of a refusal or a wait; of an unchanged file what it would end
	Moves   bool           `json:"moves"`    // some request would go elsewhere
	Changes []ConfigChange `json:"changes"`
}

// ConfigChange is one thing that would become different, or stays although one might think otherwise.
type ConfigChange struct {
	Area     string  `json:"area"` // traffic, pools, health, rollout, evidence, flags, listeners, admin, state, other
	Service  string  `json:"service,omitempty"`
	Flag     string  `json:"flag,omitempty"`
	Sentence string  `json:"sentence"`
	Moves    bool    `json:"moves"`   // some request would go elsewhere
	Restart  bool    `json:"restart"` // takes effect at the next start only
	Before   Weights `json:"before,omitempty"`
	After    Weights `json:"after,omitempty"`
}

// EffectiveConfig asks for what is in effect.
func (c *Client) EffectiveConfig(ctx context.Context) (ConfigShown, error) {
	return call[ConfigShown](ctx, c, http.MethodGet, "v1/config", nil)
}

// CheckConfig asks what is wrong with the text of a file. It changes nothing.
func (c *Client) CheckConfig(ctx context.Context, text []byte) (ConfigCheck, error) {
	return call[ConfigCheck](ctx, c, http.MethodPost, "v1/config/check", yamlText(text))
}

// DiffConfig asks what a reload of the text of a file would do. It changes nothing.
func (c *Client) DiffConfig(ctx context.Context, text []byte) (ConfigDiff, error) {
	return call[ConfigDiff](ctx, c, http.MethodPost, "v1/config/diff", yamlText(text))
}

// yamlText is a body that is sent as it is.
type yamlText []byte
