// Package api holds the JSON shapes of the admin API, its error codes and a Go client. It imports
// nothing of the server, so a client of the API cannot reach into one.
package api

import "time"

// Overview is the answer of GET /v1/services.
type Overview struct {
	Node     Node      `json:"node"`
	Services []Service `json:"services"` // in file order
}

// Node is what one process says of itself.
type Node struct {
	Version     string      `json:"version"`
	Config      Config      `json:"config"`
	State       State       `json:"state"`
	Connections Connections `json:"connections"`
}

// Connections are the open client connections of all listeners, by what serves them, and those that went from one to
// the other.
type Connections struct {
	Fast      int64            `json:"fast"`      // in event loops
	General   int64            `json:"general"`   // by net/http
	Handovers map[string]int64 `json:"handovers"` // from the fast path to the general one since the start, by why; reasons that occurred
}

// Config is the file in force and what became of the newest one.
type Config struct {
	File     string    `json:"file"`
	Digest   string    `json:"digest"`            // of the file in force
	LoadedAt time.Time `json:"loaded_at"`         // when it came into force
	Error    string    `json:"error"`             // why the newest file is not in force; "" when it is
	Waiting  string    `json:"waiting"`           // what a valid newest file waits for; "" when nothing
	Restart  []string  `json:"restart,omitempty"` // keys of the file in force that take effect at the next start only
}

// State is how the durable state was found and whether it can be written now.
type State struct {
	Origin string `json:"origin"` // fresh, intact, recovered or lost
	Error  string `json:"error"`  // the last failed write, "" once one succeeded
}

// Service is one service as GET /v1/services/{service} shows it. Weights are percent.
type Service struct {
	Name     string          `json:"name"`
	Flag     string          `json:"flag,omitempty"` // of a service that stands for the percentage of a flag
	Revision int64           `json:"revision"`       // of the traffic state; If-Match compares with it
	Why      string          `json:"why"`            // the sentence behind the weights in force
	Roles    Roles           `json:"roles"`
	Weights  Layers          `json:"weights"`
	Paused   *Pause          `json:"paused"`
	Pools    map[string]Pool `json:"pools"`
	Order    []string        `json:"order"`   // pool names in file order
	Rollout  *Rollout        `json:"rollout"` // the running or the last one; null: none ran
	Failed   string          `json:"failed"`  // the version that was rolled back and is not tried again by itself
	Undo     string          `json:"undo"`    // the command that undoes the last change, or why it is impossible; "" when there is nothing
	Durable  bool            `json:"durable"` // false: a rollback was applied that the store has not taken yet
}

// Roles are pool names; "" when no pool has the role.
type Roles struct {
	Baseline  string `json:"baseline"`
	Candidate string `json:"candidate"`
	Live      string `json:"live"`
	Idle      string `json:"idle"`
}

// Weights is percent by pool.
type Weights map[string]float64

// Layers are the three layers of weights side by side.
type Layers struct {
	File    Weights `json:"file"`
	Intent  *Intent `json:"intent"`
	InForce Weights `json:"in_force"`
	Pending Weights `json:"pending,omitempty"` // file weights that wait while the service is paused
}

// Intent is weights somebody set at run time.
type Intent struct {
	Weights Weights   `json:"weights"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}

// Pause says who stopped automation and the file from moving traffic.
type Pause struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Pool is the targets of one version.
type Pool struct {
	Version  string   `json:"version"`
	Up       int      `json:"up"`
	InFlight int64    `json:"in_flight"`
	Targets  []Target `json:"targets"`
	Traffic  *Traffic `json:"traffic"` // null: nothing was seen yet
}

// Target is one address. Status is unknown, up or down; Since is when it became so.
type Target struct {
	URL      string    `json:"url"`
	Status   string    `json:"status"`
	InFlight int64     `json:"in_flight"`
	Since    time.Time `json:"since"`
	Error    string    `json:"error"` // of the last bad probe
}

// WeightsRequest is the body of PUT /v1/services/{service}/weights. A missing pool has 0.
type WeightsRequest struct {
	Weights Weights `json:"weights"`
	Reason  string  `json:"reason"`
	Force   bool    `json:"force,omitempty"` // end a running rollout as superseded; needs a reason
}

// CutoverRequest is the body of POST /v1/services/{service}/cutover.
type CutoverRequest struct {
	To      string `json:"to"`                // pool or role
	From    string `json:"from,omitempty"`    // refused unless this pool is live
	Wait    string `json:"wait,omitempty"`    // "drained": answer when the previous pool has no request in flight
	Timeout string `json:"timeout,omitempty"` // of Wait, "5m"
	Reason  string `json:"reason"`
	Force   bool   `json:"force,omitempty"` // go although targets are down; needs a reason and one target up
}

// CommandRequest is the body of the commands that need nothing but a reason: rollback, pause, resume,
// approve, step-back, DELETE weights. Force needs a reason and serves two of them: rollback, to go although
// targets are down, and DELETE weights, to end a running rollout as superseded.
type CommandRequest struct {
	Reason string `json:"reason"`
	Force  bool   `json:"force,omitempty"`
}

// Change is the answer of every command that moves traffic. The weights it names are in force for
// every request that arrives after the answer.
type Change struct {
	Service  string           `json:"service"`
	Revision int64            `json:"revision"`
	Changed  bool             `json:"changed"` // false: it was so already
	Previous Weights          `json:"previous"`
	Weights  Weights          `json:"weights"`
	InFlight map[string]int64 `json:"in_flight"`         // on each pool that lost all its weight
	Drained  *bool            `json:"drained,omitempty"` // with wait: whether it ended in time
	Undo     string           `json:"undo"`
	Durable  bool             `json:"durable"`           // false only for a rollback the store has not taken yet
	DryRun   bool             `json:"dry_run,omitempty"` // true: nothing was changed, Weights and Changed say what would be
	Replayed bool             `json:"-"`                 // the answer of an earlier request with the same Idempotency-Key
}

// Reload is the answer of POST /v1/config/reload: the file is in force.
type Reload struct {
	Digest   string   `json:"digest"`
	Changed  bool     `json:"changed"`
	Moved    []Change `json:"moved"`             // services whose weights in force changed
	DryRun   bool     `json:"dry_run,omitempty"` // true: nothing was changed, the rest says what would be
	Replayed bool     `json:"-"`                 // see Change
}

// Call is who makes a request and on what condition.
type Call struct {
	By      string // token name, or "anonymous" without tokens
	From    string // remote address, or "unix"
	Reason  string // why, where no request says it
	IfMatch int64  // revision the caller expects; 0: any
	Key     string // of a write: the same again gets the answer of the first; "": none
	Request string // identifies what is asked, with Key
	DryRun  bool   // of a write: say what it would do
}
