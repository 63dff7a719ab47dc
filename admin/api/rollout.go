package api

import "time"

// Rollout is the running rollout of a service, or the last one.
type Rollout struct {
	ID        string    `json:"id"`
	Phase     string    `json:"phase"` // stepping, baking, promoted, rolled_back, superseded
	Step      int       `json:"step"`  // from 1
	Steps     int       `json:"steps"`
	Weight    float64   `json:"weight"` // percent of the step
	Next      *NextStep `json:"next"`   // null: there is none
	Candidate string    `json:"candidate"`
	Baseline  string    `json:"baseline"`
	Version   string    `json:"version"` // of the candidate
	Since     time.Time `json:"since"`   // the phase and step
	Began     time.Time `json:"began"`
	Observed  string    `json:"observed"` // of the step, "8m12s": downtime, pauses and a store that was away do not count
	Least     string    `json:"least"`    // the step lasts at least this long
	Deadline  string    `json:"deadline"` // of the step
	Approved  bool      `json:"approved"`
	Awaits    string    `json:"awaits"`   // "approval": all is proven but a person's yes; "resume": paused, or its flag is killed; "data": undecided at the deadline; "gate": a gate stays closed; "": it goes on by itself
	Waiting   string    `json:"waiting"`  // what the step waits for, and about how long; "" when nothing
	Sentence  string    `json:"sentence"` // the last decision, with its numbers
	Checks    []Check   `json:"checks"`
}

// The phases of a rollout.
const (
	PhaseStepping   = "stepping"
	PhaseBaking     = "baking"
	PhasePromoted   = "promoted"
	PhaseRolledBack = "rolled_back"
	PhaseSuperseded = "superseded"
)

// What a rollout waits for that does not come by itself.
const (
	AwaitsApproval = "approval"
	AwaitsResume   = "resume"
	AwaitsData     = "data"
	AwaitsGate     = "gate"
)

// Running reports whether r is still under way; a nil Rollout is not.
func (r *Rollout) Running() bool {
	return r != nil && (r.Phase == PhaseStepping || r.Phase == PhaseBaking)
}

// NextStep is what follows when the step is done.
type NextStep struct {
	Weight  float64 `json:"weight"` // percent
	Approve bool    `json:"approve"`
}

// Check is what one check has proven so far. For and Against are evidence as "1 in N": For that the
// candidate is acceptable, in this step; Against, over the whole rollout. Numbers are those of the step.
type Check struct {
	Name      string  `json:"name"`
	Verdict   string  `json:"verdict"` // pass, fail, undecided, missing
	For       float64 `json:"for"`
	Against   float64 `json:"against"`
	Candidate Counts  `json:"candidate"`
	Baseline  Counts  `json:"baseline"`
	Waiting   string  `json:"waiting,omitempty"`

	Observed     bool       `json:"observed,omitempty"`      // shown, decides nothing
	Values       []float64  `json:"values,omitempty"`        // of single values the last: the candidate's, and the baseline's if there is one
	Error        string     `json:"error,omitempty"`         // of the last look at a value from outside
	MissingSince *time.Time `json:"missing_since,omitempty"` // no value could be had since; it is not promoted meanwhile
}

// Counts is requests and how many of them were bad.
type Counts struct {
	Requests int64 `json:"requests"`
	Bad      int64 `json:"bad"`
}

// Traffic is what a pool was seen doing over the last minute.
type Traffic struct {
	Share  float64 `json:"share"`  // percent of the service's requests
	Rate   float64 `json:"rate"`   // requests a second
	Errors float64 `json:"errors"` // percent failed
	P50    float64 `json:"p50"`    // seconds until the response's head
	P95    float64 `json:"p95"`
	P99    float64 `json:"p99"`
}

// StartRequest is the body of POST /v1/services/{service}/rollout. To may be left out with two pools.
type StartRequest struct {
	To     string `json:"to,omitempty"`
	Reason string `json:"reason"`
}

// PromoteRequest is the body of POST …/rollout/promote: the next step now, or with Full 100 %.
type PromoteRequest struct {
	Full   bool   `json:"full,omitempty"`
	Reason string `json:"reason"`
}

// OpenGateRequest is the body of POST …/rollout/open-gate. Gate is start, promote or finish; "" is the one
// that is asked. It needs a reason.
type OpenGateRequest struct {
	Gate   string `json:"gate,omitempty"`
	Reason string `json:"reason"`
}

// Plan says what each step of a rollout will need at the present rate of traffic.
type Plan struct {
	Service  string     `json:"service"`
	Rate     float64    `json:"rate"`   // requests a second of the service, over the last minutes
	Errors   float64    `json:"errors"` // percent of the baseline
	Running  bool       `json:"running"`
	Steps    []PlanStep `json:"steps"`
	Problems []string   `json:"problems"` // "too little traffic for this tolerance; …"
}

// PlanStep is what a step needs. Least and Deadline as in the file.
type PlanStep struct {
	Step     int        `json:"step"`
	Weight   float64    `json:"weight"`
	Least    string     `json:"least"`
	Deadline string     `json:"deadline"`
	Clear    PlanNeed   `json:"clear"`  // an equal version to be proven acceptable
	Detect   []PlanNeed `json:"detect"` // +0.2, +1, +5 points; p99 ×1.5
}

// PlanNeed is requests on the candidate and the time they take.
type PlanNeed struct {
	What     string  `json:"what"`
	Requests float64 `json:"requests"` // 0: cannot be told from this traffic
	Time     string  `json:"time"`
}

// Event is something that happened: a decision about a service or a flag, or a change of the configuration, of
// health, of the state or of the node. What it is not about is left empty.
type Event struct {
	ID       string    `json:"id"` // grows; the value of Last-Event-ID
	At       time.Time `json:"at"`
	Service  string    `json:"service"`
	Flag     string    `json:"flag,omitempty"`   // of a decision about a flag, which has no service
	Pool     string    `json:"pool,omitempty"`   // of the service, when the event is about its health
	Target   string    `json:"target,omitempty"` // URL
	Type     string    `json:"type"`             // one of the Event constants, or one that is younger than this client
	By       string    `json:"by"`               // who: a token's name, "file", "SIGHUP", "switchback"
	From     string    `json:"from"`             // address; "" for what came from no network
	Reason   string    `json:"reason"`
	Sentence string    `json:"sentence"`
	Before   Weights   `json:"before"`
	After    Weights   `json:"after"`
	Was      string    `json:"was,omitempty"`     // a status, or the digest of a configuration
	Is       string    `json:"is,omitempty"`      // the same, afterwards
	Error    string    `json:"error,omitempty"`   // what was found wrong
	Count    int       `json:"count,omitempty"`   // the event stands for so many like it
	Rollout  string    `json:"rollout,omitempty"` // its id
	Version  string    `json:"version,omitempty"` // of the rollout's candidate, or of this program
	Step     int       `json:"step,omitempty"`
	Checks   []Check   `json:"checks,omitempty"` // the numbers behind a decision of the judge
}

// The types of events.
const (
	EventWeights    = "traffic.weights" // by a person or the file
	EventCutover    = "traffic.cutover"
	EventRollback   = "traffic.rollback"
	EventPaused     = "traffic.paused"
	EventResumed    = "traffic.resumed"
	EventWaiting    = "rollout.waiting" // a version changed, its pool is not ready yet
	EventStarted    = "rollout.started"
	EventStep       = "rollout.step" // forward or back
	EventBaking     = "rollout.baking"
	EventApproved   = "rollout.approved"
	EventGateAsked  = "rollout.gate_asked"
	EventGateOpened = "rollout.gate_opened" // by its answer or a person
	EventGateClosed = "rollout.gate_closed" // asked in vain; waits for a person
	EventHeld       = "rollout.held"        // a failure that waits for a person
	EventUndecided  = "rollout.undecided"   // the deadline of a step passed
	EventEvidence   = "rollout.evidence"    // the file changed what evidence rests on
	EventPromoted   = "rollout.promoted"
	EventRolledBack = "rollout.rolled_back"
	EventSuperseded = "rollout.superseded"

	EventFlagSet      = "flag.set"
	EventFlagDropped  = "flag.dropped" // the file's definition counts again, or a flag of run time is gone
	EventFlagKilled   = "flag.killed"
	EventFlagRestored = "flag.restored"
	EventFlagFile     = "flag.file" // the file's definition changed and won

	EventConfigLoaded  = "config.loaded"  // a file is in force
	EventConfigRefused = "config.refused" // the newest file is not, and why
	EventConfigWaiting = "config.waiting" // a valid file waits for targets

	EventTargetUp   = "target.up"
	EventTargetDown = "target.down"
	EventPoolEmpty  = "pool.empty" // no target of it is up
	EventPoolReady  = "pool.ready" // one is again

	EventStateRefused    = "state.refused"    // the store takes no writes
	EventStateAccepted   = "state.accepted"   // it does again
	EventStateWritten    = "state.written"    // what was in force without being durable is
	EventStateSuperseded = "state.superseded" // what was in force without being durable gave way to another decision
	EventStateVanished   = "state.vanished"   // the store lost a state, which is written again
	EventStateRecovered  = "state.recovered"  // at the start, from the copy
	EventStateLost       = "state.lost"       // at the start

	EventNodeStarted   = "node.started"
	EventNodeStopping  = "node.stopping"
	EventNodeLeading   = "node.leading"
	EventNodeFollowing = "node.following" // another node leads

	EventAdminRefused = "admin.refused" // requests to the admin API, in bulk
)

// Events is a page of events, oldest first.
type Events struct {
	Events []Event `json:"events"`
}

// Rollouts is the answer of GET /v1/services/{service}/rollouts: those that are remembered, oldest first.
type Rollouts struct {
	Rollouts []PastRollout `json:"rollouts"`
}

// PastRollout is one rollout as its events tell it. The last one may still run.
type PastRollout struct {
	ID       string     `json:"id"`
	Version  string     `json:"version"` // of the candidate
	Began    time.Time  `json:"began"`   // or the oldest event that is remembered
	Ended    *time.Time `json:"ended"`   // null: it runs
	Phase    string     `json:"phase"`
	Sentence string     `json:"sentence"` // the last decision
	Events   []Event    `json:"events"`   // oldest first
}
