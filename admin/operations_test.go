package admin

import (
	"encoding/json"

	"github.com/switchback-proxy/switchback/admin/api"
)

// operation is what openapi.json and docs/api.md say of a route.
type operation struct {
	method, path string
	id           string
	tag          string
	summary      string
	query        []parameter
	match        bool     // it is a write, with If-Match
	write        bool     // it is one without
	body         any      // its type; nil: none
	needs        []string // members that a body must have
	answer       any      // its type; nil: media says what it is
	media        string   // of an answer that is no JSON, or can be something else than JSON
	text         string   // media type of a body that is no JSON
	created      bool     // 201 as well
	open         bool     // without a token
	mounted      bool     // behind a route of many paths
}

type parameter struct {
	name, about string
	sample      any // its type
}

// The tags, in the order of the document.
const (
	tagServices = "services"
	tagRollouts = "rollouts"
	tagEvents   = "events"
	tagFlags    = "flags"
	tagNode     = "node"
	tagAsk      = "questions"
	tagOFREP    = "OpenFeature"
)

var tags = []string{tagServices, tagRollouts, tagEvents, tagFlags, tagAsk, tagOFREP, tagNode}

// definition is the body of a write to a flag.
type definition struct {
	Strategy   string                     `json:"strategy,omitempty"`    // none, all, users or percentage
	Value      float64                    `json:"value,omitempty"`       // percent, with strategy percentage
	Users      []string                   `json:"users,omitempty"`       // who has it whatever the percentage
	Variants   map[string]json.RawMessage `json:"variants,omitempty"`    // of one type; none: on and off
	OffVariant string                     `json:"off_variant,omitempty"` // of those who do not have it
	Weights    map[string]int             `json:"weights,omitempty"`     // how those who have it are split
	Salt       string                     `json:"salt,omitempty"`        // hashed in place of the flag's name
	Targeting  []map[string]any           `json:"targeting,omitempty"`   // as in the file
	Reason     string                     `json:"reason,omitempty"`      // why
}

// The shapes of OpenFeature's remote evaluation.
type (
	ofrepAsk struct {
		Context map[string]any `json:"context"` // targetingKey names the user
	}
	ofrepAnswer struct {
		Key      string          `json:"key"`
		Reason   string          `json:"reason,omitempty"` // STATIC, TARGETING_MATCH, SPLIT or DEFAULT
		Variant  string          `json:"variant,omitempty"`
		Value    json.RawMessage `json:"value,omitempty"`
		Metadata map[string]any  `json:"metadata,omitempty"`
		Error    string          `json:"errorCode,omitempty"` // in place of all that
		Details  string          `json:"errorDetails,omitempty"`
	}
	ofrepAnswers struct {
		Flags    []ofrepAnswer    `json:"flags"`
		Metadata map[string]any   `json:"metadata,omitempty"`
		Streams  []map[string]any `json:"eventStreams,omitempty"` // where changes are told
	}
)

const (
	textPlain   = "text/plain"
	eventStream = "text/event-stream"
)

// operations are those of every route, in the order of the document.
var operations = []operation{
	{method: "GET", path: "/v1/services", id: "getOverview", tag: tagServices, summary: "The node and all services.", answer: api.Overview{}},
	{method: "GET", path: "/v1/services/{service}", id: "getService", tag: tagServices, summary: "One service; its ETag is its revision.", answer: api.Service{}},
	{
		method: "PUT", path: "/v1/services/{service}/weights", id: "setWeights", tag: tagServices, match: true,
		summary: "Set the weights at run time.", body: api.WeightsRequest{}, needs: []string{"weights"}, answer: api.Change{},
	},
	{
		method: "DELETE", path: "/v1/services/{service}/weights", id: "dropIntent", tag: tagServices, match: true,
		summary: "Return to the weights of the file.", body: api.CommandRequest{}, answer: api.Change{},
	},
	{
		method: "POST", path: "/v1/services/{service}/cutover", id: "cutover", tag: tagServices, match: true,
		summary: "Give one pool all traffic.", body: api.CutoverRequest{}, needs: []string{"to"}, answer: api.Change{},
	},
	{
		method: "POST", path: "/v1/services/{service}/rollback", id: "rollback", tag: tagServices, match: true,
		summary: "Restore the traffic state before the last change.", body: api.CommandRequest{}, answer: api.Change{},
	},

	{method: "GET", path: "/v1/services/{service}/rollout", id: "getRollout", tag: tagRollouts, summary: "The running rollout, or the last one.", answer: api.Rollout{}},
	{
		method: "POST", path: "/v1/services/{service}/rollout", id: "startRollout", tag: tagRollouts, match: true, created: true,
		summary: "Start a rollout.", body: api.StartRequest{}, answer: api.Change{},
	},
	{
		method: "POST", path: "/v1/services/{service}/rollout/promote", id: "promote", tag: tagRollouts, match: true,
		summary: "Take the next step now, or all of them.", body: api.PromoteRequest{}, answer: api.Change{},
	},
	{
		method: "POST", path: "/v1/services/{service}/rollout/approve", id: "approve", tag: tagRollouts, match: true,
		summary: "Agree to a step that wants a person's yes.", body: api.CommandRequest{}, answer: api.Change{},
	},
	{
		method: "POST", path: "/v1/services/{service}/rollout/step-back", id: "stepBack", tag: tagRollouts, match: true,
		summary: "Return to the step before; from the first one the rollout ends.", body: api.CommandRequest{}, answer: api.Change{},
	},
	{
		method: "POST", path: "/v1/services/{service}/rollout/open-gate", id: "openGate", tag: tagRollouts, match: true,
		summary: "Open the gate that is asked.", body: api.OpenGateRequest{}, needs: []string{"reason"}, answer: api.Change{},
	},
	{
		method: "POST", path: "/v1/services/{service}/rollout/pause", id: "pause", tag: tagRollouts, match: true,
		summary: "Keep the file and automation from moving traffic.", body: api.CommandRequest{}, answer: api.Change{},
	},
	{
		method: "POST", path: "/v1/services/{service}/rollout/resume", id: "resume", tag: tagRollouts, match: true,
		summary: "End a pause.", body: api.CommandRequest{}, answer: api.Change{},
	},
	{
		method: "POST", path: "/v1/services/{service}/rollout/rollback", id: "rollbackRollout", tag: tagRollouts, match: true,
		summary: "The same as rollback of the service.", body: api.CommandRequest{}, answer: api.Change{},
	},
	{method: "GET", path: "/v1/services/{service}/rollouts", id: "getRollouts", tag: tagRollouts, summary: "What is remembered of past rollouts.", answer: api.Rollouts{}},
	{method: "GET", path: "/v1/services/{service}/rollouts/{rollout}", id: "getPastRollout", tag: tagRollouts, summary: "One of them.", answer: api.PastRollout{}},
	{method: "GET", path: "/v1/services/{service}/plan", id: "getPlan", tag: tagRollouts, summary: "What each step will need at the present traffic.", answer: api.Plan{}},

	{
		method: "GET", path: "/v1/events", id: "getEvents", tag: tagEvents,
		summary: "The newest events, oldest first; a stream of them for those who accept text/event-stream.", answer: api.Events{}, media: eventStream,
		query: []parameter{
			{"service", "Events of this service only.", ""},
			{"after", "Those behind this id; the header Last-Event-ID outranks it.", ""},
			{"limit", "Of a page, from 1 to 1000; 100 without it.", 0},
		},
	},

	{method: "GET", path: "/v1/flags", id: "getFlags", tag: tagFlags, summary: "Every flag.", answer: api.Flags{}},
	{method: "GET", path: "/v1/flags/{flag}", id: "getFlag", tag: tagFlags, summary: "One flag; its ETag is its tag.", answer: api.Flag{}},
	{method: "GET", path: "/v1/flags/{flag}/history", id: "getFlagHistory", tag: tagFlags, summary: "Decisions about a flag that are remembered.", answer: api.FlagHistory{}},
	{
		method: "POST", path: "/v1/flags/{flag}/evaluate", id: "evaluateFlag", tag: tagFlags,
		summary: "What a flag answers for a context; for people, applications use OpenFeature.", body: api.EvaluationRequest{}, answer: api.Evaluation{},
	},
	{
		method: "PUT", path: "/v1/flags/{flag}", id: "putFlag", tag: tagFlags, match: true, created: true,
		summary: "Give a flag a whole definition at run time; If-None-Match: * only a new one.", body: definition{}, needs: []string{"strategy"}, answer: api.FlagChange{},
	},
	{
		method: "DELETE", path: "/v1/flags/{flag}", id: "dropFlag", tag: tagFlags, match: true,
		summary: "Return to the file's definition; a flag of run time is gone.", body: api.CommandRequest{}, answer: api.FlagChange{},
	},
	{
		method: "POST", path: "/v1/flags/{flag}/kill", id: "killFlag", tag: tagFlags, match: true,
		summary: "Everybody gets off_variant until it is restored.", body: api.CommandRequest{}, answer: api.FlagChange{},
	},
	{
		method: "POST", path: "/v1/flags/{flag}/restore", id: "restoreFlag", tag: tagFlags, match: true,
		summary: "End a kill.", body: api.CommandRequest{}, answer: api.FlagChange{},
	},
	{
		method: "POST", path: "/api/flags/{flag}", id: "setFlag", tag: tagFlags, match: true,
		summary: "Change a part of a definition, for pipelines; user_list is another word for users.", body: definition{}, answer: api.FlagChange{},
	},

	{
		method: "POST", path: "/v1/explain", id: "explain", tag: tagAsk,
		summary: "What becomes of a request, and why.", body: api.ExplainRequest{}, answer: api.Explanation{},
	},
	{
		method: "POST", path: "/v1/cohort", id: "cohort", tag: tagAsk,
		summary: "Who of some users is in.", body: api.CohortRequest{}, needs: []string{"keys"}, answer: api.Cohort{},
	},

	{
		method: "POST", path: "/ofrep/v1/evaluate/flags/{key}", id: "ofrepEvaluate", tag: tagOFREP, mounted: true,
		summary: "One flag for a context, as OpenFeature's SDKs ask.", body: ofrepAsk{}, answer: ofrepAnswer{},
	},
	{
		method: "POST", path: "/ofrep/v1/evaluate/flags", id: "ofrepEvaluateAll", tag: tagOFREP, mounted: true,
		summary: "Every flag for a context.", body: ofrepAsk{}, answer: ofrepAnswers{},
	},
	{
		method: "GET", path: "/ofrep/v1/events", id: "ofrepEvents", tag: tagOFREP, mounted: true, media: eventStream,
		summary: "An event each time flags could answer otherwise, at the address that the answer for every flag names.",
	},

	{method: "GET", path: "/v1/config", id: "getConfig", tag: tagNode, summary: "The configuration in effect, defaults filled in, secrets masked.", answer: api.ConfigShown{}},
	{
		method: "POST", path: "/v1/config/check", id: "checkConfig", tag: tagNode,
		summary: "What is wrong with a file.", text: "application/yaml", answer: api.ConfigCheck{},
	},
	{
		method: "POST", path: "/v1/config/diff", id: "diffConfig", tag: tagNode,
		summary: "What a reload of a file would do now.", text: "application/yaml", answer: api.ConfigDiff{},
	},
	{method: "POST", path: "/v1/config/reload", id: "reload", tag: tagNode, write: true, summary: "Read the file; answers when it is in force.", body: api.CommandRequest{}, answer: api.Reload{}},
	{method: "GET", path: "/livez", id: "getLive", tag: tagNode, summary: "200 while the process runs.", media: textPlain, open: true},
	{method: "GET", path: "/readyz", id: "getReady", tag: tagNode, summary: "200 while it takes traffic, 503 otherwise.", media: textPlain, open: true},
	{method: "GET", path: "/metrics", id: "getMetrics", tag: tagNode, summary: "Metrics for Prometheus.", media: textPlain},
	{method: "GET", path: "/openapi.json", id: "getContract", tag: tagNode, summary: "This document, OpenAPI 3.1.", answer: map[string]any{}},
}
