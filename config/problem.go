package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a file, where it is, and what would be right.
type Problem struct {
	File         string // as given to Parse; may be ""
	Line, Column int    // from 1; Column is 0 when only the line is known, both are in what is no file
	Path         string // "services.shop.weights"; "" for the file as a whole
	Msg          string // what is wrong
	Hint         string // what would be right; may be ""
}

// String is the problem on one line: "switchback.yaml:12:7: services.shop.weights: sum is 90, not 100;
// add 10 to a pool". Parts that are empty are left out.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ":")
	}
	if p.Line > 0 {
		b.WriteString(strconv.Itoa(p.Line) + ":")
	}
	if p.Column > 0 {
		b.WriteString(strconv.Itoa(p.Column) + ":")
	}
	if p.Path != "" {
		b.WriteString(" " + p.Path + ":")
	}
	b.WriteString(" " + p.Msg)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return strings.TrimPrefix(b.String(), " ")
}

// Problems is everything wrong with one file, in the order of the file. It is never empty when
// returned as an error.
type Problems []Problem

// Error is one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sort() {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Msg, b.Msg),
		)
	})
}

// maxProblems keeps the answer to a hopeless file readable, and small.
const maxProblems = 1000

// flaw is what is wrong with a value and what would be right; where it stands is added by report.
type flaw struct{ msg, hint string }

// place is what tells problems apart: a default that many services inherit is wrong once.
type place struct {
	line, column int
	path         string // where there are no lines
	msg          string
}

// report notes a flaw of n, unless n has one already that makes its value meaningless.
func (p *parser) report(n *node, f flaw) {
	if n.bad {
		return
	}
	p.add(Problem{Line: n.line, Column: n.column, Path: n.path(), Msg: f.msg, Hint: f.hint})
}

// spoil reports a flaw and makes n silent from then on.
func (p *parser) spoil(n *node, f flaw) {
	p.report(n, f)
	n.bad = true
}

func (p *parser) add(problem Problem) {
	at := place{line: problem.Line, column: problem.Column, msg: problem.Msg}
	if problem.Line == 0 {
		at.path = problem.Path
	}
	if p.told[at] || p.full() {
		return
	}
	p.told[at] = true
	problem.File = p.file
	p.problems = append(p.problems, problem)
}

func (p *parser) full() bool { return len(p.problems) >= maxProblems }

// all is the problems in the order of the file.
func (p *parser) all() Problems {
	p.problems.sort()
	if p.full() {
		p.problems = append(p.problems, Problem{
			File: p.file,
			Line: p.problems[maxProblems-1].Line,
			Msg:  "the list of problems ends here",
			Hint: "correct those above and check again",
		})
	}
	return p.problems
}
