package config

import (
	"errors"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
)

// CheckKind says where the numbers of a check come from. The checks with names of their own, errors to
// slow, have none.
type CheckKind string

// The kinds of checks that a file may name as it likes.
const (
	KindScrape       CheckKind = "scrape"        // a value of the targets' own Prometheus text
	KindServerTiming CheckKind = "server_timing" // a time that responses tell in their Server-Timing field
	KindRatio        CheckKind = "ratio"         // good requests of others
	KindPrometheus   CheckKind = "prometheus"    // the answer to a query
	KindWebhook      CheckKind = "webhook"       // a number or a verdict that a URL answers with
)

// Fetched reports whether the check compares single values that are fetched every so often.
func (k CheckKind) Fetched() bool { return k == KindScrape || k == KindPrometheus || k == KindWebhook }

// Per is what the growth of a counter is divided by.
type Per string

// The divisors. PerNothing takes a gauge as it is.
const (
	PerNothing Per = ""
	PerRequest Per = "request"
	PerSecond  Per = "second"
)

// Scrape is one metric of the targets' Prometheus text.
type Scrape struct {
	Metric string
	Per    Per
	Path   string // with query
	Port   int    // 0: the target's own
}

// Query is a question to a Prometheus server.
type Query struct {
	URL    string // of the server, without a slash at its end
	Query  string // a template, see Render
	Window time.Duration
}

// QueryData is what the template of a query may name.
type QueryData struct{ Service, Pool, Version, Window string }

// errTemplate says what a template may hold.
var errTemplate = errors.New("only {{.Service}}, {{.Pool}}, {{.Version}} and {{.Window}} can stand in it")

// Render puts the names into the query. It returns no error for a query that Parse has accepted.
func (q *Query) Render(d QueryData) (string, error) {
	t, err := queryTemplate(q.Query)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, d); err != nil {
		return "", errTemplate
	}
	return b.String(), nil
}

// Names reports whether the query differs when only this field does. Of what is no template it says no.
func (q *Query) Names(field func(*QueryData)) bool {
	var one, other QueryData
	field(&other)
	a, errA := q.Render(one)
	b, errB := q.Render(other)
	return errA == nil && errB == nil && a != b
}

// queryTemplate accepts nothing but text and fields: a query is no program.
func queryTemplate(text string) (*template.Template, error) {
	t, err := template.New("query").Parse(text)
	if err != nil {
		return nil, errTemplate
	}
	if t.Tree == nil || t.Root == nil {
		return t, nil
	}
	for _, n := range t.Root.Nodes {
		if !isField(n) {
			return nil, errTemplate
		}
	}
	return t, nil
}

func isField(n parse.Node) bool {
	if _, text := n.(*parse.TextNode); text {
		return true
	}
	action, ok := n.(*parse.ActionNode)
	if !ok || len(action.Pipe.Decl) > 0 || len(action.Pipe.Cmds) != 1 || len(action.Pipe.Cmds[0].Args) != 1 {
		return false
	}
	field, ok := action.Pipe.Cmds[0].Args[0].(*parse.FieldNode)
	if !ok || len(field.Ident) != 1 {
		return false
	}
	switch field.Ident[0] {
	case "Service", "Pool", "Version", "Window":
		return true
	}
	return false
}

// Pattern says which requests are meant: "POST /checkout 2xx".
type Pattern struct {
	Method string // "": any
	Path   string // in matching form
	Below  bool   // also every path below Path
	Status StatusRange
}
