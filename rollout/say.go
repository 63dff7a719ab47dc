package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/config"
)

// Cause is who changed the weights or their layer, when and why.
type Cause struct {
	Verb   Verb      `json:"verb"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"`
}

// String is the cause as people read it: "cutover by ci at 2026-01-02T15:04:05Z: release 2.5.0".
func (c Cause) String() string {
	did := string(c.Verb)
	switch c.Verb {
	case VerbFile:
		return withReason("the file's weights since "+say(c.At), c.Reason)
	case VerbWeights:
		did = "weights set"
	case VerbDrop:
		did = "intent dropped"
	case VerbResume:
		did = "resumed"
	case VerbPause:
		did = "paused"
	case VerbStart:
		did = "rollout started"
	case VerbPromote:
		did = "promoted"
	case VerbApprove:
		did = "approved"
	case VerbStepBack:
		did = "stepped back"
	case VerbOpenGate:
		did = "gate opened"
	case VerbJudge:
		did = "decided"
	case VerbCutover, VerbRollback:
	}
	return withReason(fmt.Sprintf("%s by %s at %s", did, c.By, say(c.At)), c.Reason)
}

// typeOf is the type of a decision that says nothing else.
func typeOf(v Verb) Type {
	switch v {
	case VerbCutover:
		return TrafficCutover
	case VerbRollback:
		return TrafficRollback
	case VerbPause:
		return TrafficPaused
	case VerbResume:
		return TrafficResumed
	case VerbStart:
		return RolloutStarted
	case VerbPromote, VerbStepBack, VerbJudge:
		return RolloutStep
	case VerbApprove:
		return RolloutApproved
	case VerbOpenGate:
		return RolloutGateOpened
	case VerbFile, VerbWeights, VerbDrop:
	}
	return TrafficWeights
}

// steers reports whether a decision of the type is about the rollout in the state.
func (t Type) steers() bool { return strings.HasPrefix(string(t), "rollout.") && t != RolloutWaiting }

func say(at time.Time) string { return at.UTC().Format(time.RFC3339) }

func withReason(sentence, reason string) string {
	if reason == "" {
		return sentence
	}
	return sentence + ": " + reason
}

func becauseOf(sentence, reason string) string {
	if reason == "" {
		return sentence
	}
	return sentence + "; reason: " + reason
}

// sayWeights lists the pools that have weight: "blue 70 %, green 30 %".
func sayWeights(svc *config.Service, w config.Weights) string {
	var said []string
	for _, name := range order(svc, w) {
		said = append(said, fmt.Sprintf("%s %v", name, w[name]))
	}
	return strings.Join(said, ", ")
}

// sayTime is a duration without its zeros: "30m", "1h5m".
func sayTime(d time.Duration) string {
	said := d.Round(time.Second).String()
	if strings.HasSuffix(said, "m0s") {
		said = strings.TrimSuffix(said, "0s")
	}
	if strings.HasSuffix(said, "h0m") {
		said = strings.TrimSuffix(said, "0m")
	}
	return said
}

// sayPool is a pool with its version: "green 2.5.0".
func sayPool(pool, version string) string { return strings.TrimSuffix(pool+" "+version, " ") }

// sayTargets lists targets behind a sentence: "; http://… is down (refused)".
func sayTargets(targets []Target) string {
	var b strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&b, "; %s is %s", t.URL, t.Status)
		if t.Error != "" {
			fmt.Fprintf(&b, " (%s)", t.Error)
		}
	}
	return b.String()
}

// order is the pools of w that have weight or are unknown: those of the file in its order, then the
// others by name.
func order(svc *config.Service, w config.Weights) []string {
	var known, unknown []string
	for _, p := range svc.Pools {
		if w[p.Name] != 0 {
			known = append(known, p.Name)
		}
	}
	for name := range w {
		if svc.Pool(name) == nil {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return append(known, unknown...)
}

func refuse(kind Kind, format string, args ...any) *Refusal {
	return &Refusal{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}
