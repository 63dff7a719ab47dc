package rollout

import (
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// Event is something that happened: File, Commanded, Judged, Ticked, Answered or Elected.
type Event interface{ event() }

// File says that the service now stands in the file as Step's svc argument has it.
type File struct {
	At      time.Time
	Lost    bool // there was a state and it cannot be read: start from the file
	Serving bool // a table made from this state serves requests now; false at a start
}

// Commanded is a person's or a tool's command. By is who, Remote their address. Facts describes every
// pool of the service; a pool without facts has no target up.
type Commanded struct {
	Verb    Verb
	At      time.Time
	By      string
	Remote  string
	Reason  string
	Force   bool
	Weights config.Weights // VerbWeights
	To      string         // VerbCutover, VerbStart: pool or role; VerbStart with two pools: "" is the other one
	From    string         // VerbCutover: the pool or role that must be live; "" any
	Full    bool           // VerbPromote: everything, not the next step
	Gate    config.GateAt  // VerbOpenGate: the place of the gate; "": the one that is asked
	Facts   Facts
}

func (File) event()      {}
func (Commanded) event() {}

// Verb is what a decision did.
type Verb string

// The verbs. VerbFile is the file speaking, VerbJudge the judge; the others are commands, and VerbStart is
// also the leader's for a changed version.
const (
	VerbFile     Verb = "file"
	VerbWeights  Verb = "weights"
	VerbDrop     Verb = "drop-intent"
	VerbCutover  Verb = "cutover"
	VerbRollback Verb = "rollback"
	VerbPause    Verb = "pause"
	VerbResume   Verb = "resume"
	VerbStart    Verb = "start"
	VerbPromote  Verb = "promote"
	VerbApprove  Verb = "approve"
	VerbStepBack Verb = "step-back"
	VerbOpenGate Verb = "open-gate"
	VerbJudge    Verb = "judge"
)

// Type is the word for a decision in the stream of events.
type Type string

// The types of decisions.
const (
	TrafficWeights  Type = "traffic.weights" // by a person or the file
	TrafficCutover  Type = "traffic.cutover"
	TrafficRollback Type = "traffic.rollback"
	TrafficPaused   Type = "traffic.paused"
	TrafficResumed  Type = "traffic.resumed"

	RolloutWaiting    Type = "rollout.waiting" // a version changed, its pool is not ready yet
	RolloutStarted    Type = "rollout.started"
	RolloutStep       Type = "rollout.step" // forward or back
	RolloutBaking     Type = "rollout.baking"
	RolloutApproved   Type = "rollout.approved"
	RolloutGateAsked  Type = "rollout.gate_asked"
	RolloutGateOpened Type = "rollout.gate_opened" // by its answer or a person
	RolloutGateClosed Type = "rollout.gate_closed" // asked in vain; waits for a person
	RolloutHeld       Type = "rollout.held"        // a failure that waits for a person
	RolloutUndecided  Type = "rollout.undecided"   // the deadline of a step passed
	RolloutEvidence   Type = "rollout.evidence"    // the file changed what evidence rests on
	RolloutPromoted   Type = "rollout.promoted"
	RolloutRolledBack Type = "rollout.rolled_back"
	RolloutSuperseded Type = "rollout.superseded"
)

// Facts says by pool how many targets can serve.
type Facts map[string]Ready

// Ready is the health of one pool.
type Ready struct {
	Up    int
	NotUp []Target
}

// Target is a target that is not up. Status is unknown or down; Error is of its last bad probe.
type Target struct{ URL, Status, Error string }

// Action is something to do once, after the state is durable.
type Action interface{ action() }

// Announce tells people of a decision. Warn asks for their attention.
type Announce struct {
	Decision Decision
	Warn     bool
}

func (Announce) action() {}

// Kind says why an event was refused.
type Kind string

// The kinds of refusal.
const (
	Invalid            Kind = "invalid"              // the command makes no sense for this service
	UnexpectedLivePool Kind = "unexpected-live-pool" // the sender thinks that another pool is live
	PoolInUse          Kind = "pool-in-use"          // the file drops a pool that carries traffic
	NothingToRollBack  Kind = "nothing-to-roll-back" // no change moved traffic yet
	PoolNotReady       Kind = "pool-not-ready"       // NotUp names the targets
	RolloutInProgress  Kind = "rollout-in-progress"  // a rollout runs and nobody forces its end
	StaleLeader        Kind = "stale-leader"         // another leader was elected since
)

// Refusal is the error for an event that changes nothing because it must not.
type Refusal struct {
	Kind   Kind
	Detail string // stands on its own
	NotUp  []Target
}

// Error is the detail.
func (r *Refusal) Error() string { return r.Detail }
