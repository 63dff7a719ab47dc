package rollout

import "time"

// Judged is what the leader finds once a second about the running rollout. It is about the rollout and
// the evidence it names: if the state has others by now, it changes nothing.
//
// After a restart or an election the caller must not pass Pass before a new window could be used: what
// was proven before must not promote by itself.
type Judged struct {
	At       time.Time
	Term     int64 // of the leader; 0 before any election
	Rollout  string
	Epoch    Epoch
	Observed time.Duration // of this step, with the leader leading, no pause and the store within reach
	Verdict  Verdict
	Lean     bool           // leans good; asked at the deadline
	Check    string         // the check that failed or is farthest from a pass; "" when all pass
	Sentence string         // the evidence, to stand behind the decision: "since 14:02 green failed 8 of 325 requests …"
	Checks   []CheckNumbers // recorded with a decision
	Facts    Facts
}

// Ticked is sent once a second while State.Wanted is not nil.
type Ticked struct {
	At    time.Time
	Term  int64
	Facts Facts
}

// Elected says that a new leader judges from now on. Events of leaders with lower terms are refused.
type Elected struct {
	At   time.Time
	Term int64
}

func (Judged) event()  {}
func (Ticked) event()  {}
func (Elected) event() {}

// Verdict is what the evidence says about the candidate.
type Verdict string

// The verdicts.
const (
	Undecided Verdict = "undecided"
	Pass      Verdict = "pass"
	Fail      Verdict = "fail"
)

// CheckNumbers is what one check had to say about a decision. For and Against are evidence as "1 in N".
type CheckNumbers struct {
	Name      string  `json:"name"`
	Verdict   string  `json:"verdict"` // pass, fail, undecided, missing
	For       float64 `json:"for"`
	Against   float64 `json:"against"`
	Candidate Counts  `json:"candidate"`
	Baseline  Counts  `json:"baseline"`
}

// Counts is requests of the step and how many of them were bad.
type Counts struct {
	Requests int64 `json:"requests"`
	Bad      int64 `json:"bad"`
}

// Mark tells the leader what of its evidence starts anew. Epoch says the same for whoever missed it.
type Mark struct {
	Rollout  string
	Epoch    Epoch
	All      bool // a new rollout: everything, the warm-up too
	Weights  bool // other weights are in force: observed time from 0, the judge's mark of changed weights
	Promote  bool // promote evidence
	Rollback bool // roll-back evidence
}

func (Mark) action() {}
