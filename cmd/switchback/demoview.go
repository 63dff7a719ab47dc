package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
)

// What the view needs at least; 80 by 24 holds all of it.
const (
	leastWidth, leastHeight = 60, 18
	mostWidth               = 120 // longer bars tell no more
)

// scene is everything the live view shows.
type scene struct {
	front, admin string // URLs
	age          time.Duration
	shop         api.Service
	lately       demo.Window // what users saw in the last seconds
	total        demo.Count  // and since the start
	fault        demo.Fault  // of green
	decided      api.Event   // the newest one with a sentence
	typed        []typed     // oldest first
	busy         bool        // the last one has not answered yet
	soon         time.Duration
	lost         string // why shop is not fresh
}

// typed is a line that a key stands for, and what came of it.
type typed struct {
	line   string // a command; "" for what is done to the new version behind the API's back
	answer []string
	failed bool
}

// view draws the scene into so many cells. It depends on nothing else.
func (s scene) view(width, height int, p paint) string {
	if width < leastWidth || height < leastHeight {
		return fmt.Sprintf("The demo needs %d columns and %d rows.\nMake the terminal larger, or press q\nand use --plain.", leastWidth, leastHeight)
	}
	width = min(width, mostWidth)
	top := slices.Concat(s.head(width, p), []string{""}, s.poolRows(width, p), []string{""})
	keys := s.keys(width, p)
	middle := middleRows
	if len(top)+middle+1+len(keys)+4 > height { // no room for both the sentence and what was typed
		middle = 1 + checkRows
	}
	top = append(append(top, s.middle(width, middle, p)...), "")
	rest := height - len(top) - len(keys)
	lines := slices.Concat(top, s.log(width, rest, p), keys)
	for i, line := range lines {
		lines[i] = ansi.Truncate(strings.TrimRight(line, " "), width, "…")
	}
	return strings.Join(lines[:min(len(lines), height)], "\n")
}

func (s scene) head(width int, p paint) []string {
	users := grouped(s.total.Requests) + " requests, "
	if s.total.Failed == 0 {
		users += p.good("none failed")
	} else {
		users += p.bad(grouped(s.total.Failed) + " failed")
	}
	return []string{
		spread(width, " "+p.strong("switchback demo")+"   "+users, p.faint(calm(s.age))+" "),
		" " + p.faint("traffic ") + s.front + p.faint("  export ") + "SWITCHBACK_ADMIN=" + s.admin,
	}
}

// poolRows are two for each pool: how much it gets, and how well it does.
func (s scene) poolRows(width int, p paint) []string {
	var rows []string
	for _, name := range demoPools {
		pool, share := s.shop.Pools[name], s.lately.Share(name)
		left := fmt.Sprintf(" %-6s%-5s%-11s", name, clean(pool.Version), role(s.shop, name))
		right := fmt.Sprintf("%5s rps  %6s ", rate(s.poolRate(name)), figure(share*100))
		bar := demo.Bar(share, width-len(left)-len(right)-2)
		rows = append(rows, p.pool(name, left)+" "+p.pool(name, bar)+" "+right, s.poolFigures(name, p))
	}
	return rows
}

func (s scene) poolRate(name string) float64 {
	if s.lately.Elapsed <= 0 {
		return 0
	}
	return float64(s.lately.Pools[name].Requests) / s.lately.Elapsed.Seconds()
}

func (s scene) poolFigures(name string, p paint) string {
	pool, c := s.shop.Pools[name], s.lately.Pools[name]
	failed := "none failed"
	if c.Failed > 0 {
		failed = p.bad(fmt.Sprintf("%s failed", figure(float64(c.Failed)/float64(c.Requests)*100)))
	}
	return fmt.Sprintf("       %s %-7s %d/%d up   p50 %-7s p99 %-7s %s", p.faint("weight"), percent(s.shop.Weights.InForce[name]),
		pool.Up, len(pool.Targets), demo.Short(s.lately.PoolQuantile(name, 0.5)), demo.Short(s.lately.PoolQuantile(name, 0.99)), failed)
}

// The rows of the rollout: where it stands, a head and two checks, and the sentence of the last decision.
const (
	checkRows    = 3
	sentenceRows = 3
	middleRows   = 1 + checkRows + 1 + sentenceRows
)

// middle is always as many rows, so that nothing below it jumps when a rollout begins or ends.
func (s scene) middle(width, rows int, p paint) []string {
	lines := []string{" " + s.standing(p)}
	if s.shop.Rollout.Running() {
		lines = append(lines, s.checks(p)...)
		for len(lines) < 1+checkRows {
			lines = append(lines, "")
		}
		lines = lines[:1+checkRows]
	}
	if room := rows - len(lines) - 1; room > 0 {
		lines = append(append(lines, ""), s.sentence(width, room, p)...)
	}
	for len(lines) < rows {
		lines = append(lines, "")
	}
	return lines
}

// checks are a head and a row for each check, as status has them.
func (s scene) checks(p paint) []string {
	r := s.shop.Rollout
	var q page
	q.checks(r.Checks, r.Candidate, r.Baseline, " ")
	lines := strings.Split(strings.TrimRight(q.String(), "\n"), "\n")
	for i, line := range lines {
		if i == 0 {
			lines[i] = p.faint(line)
		} else {
			lines[i] = p.verdict(r.Checks[i-1].Verdict, line)
		}
	}
	return lines
}

// standing says in a line where the rollout is, or what became of the last one.
func (s scene) standing(p paint) string {
	r := s.shop.Rollout
	switch {
	case s.lost != "":
		return p.bad(clean(s.lost))
	case r.Running():
		shown, shop := *r, s.shop
		shown.Deadline = "" // far away, and there is little room
		shop.Rollout = &shown
		return p.strong(underway(shop))
	case s.soon > 0:
		return p.faint("green is new. It begins to prove itself in ") + calm(s.soon) + p.faint(", or now with ") + p.key("s")
	case s.shop.Paused != nil:
		return p.warn("paused") + p.faint("   nothing but a person moves traffic")
	case r == nil:
		return p.faint("no rollout ran yet")
	case s.shop.Failed != "":
		return fmt.Sprintf("version %s was rolled back %s", clean(s.shop.Failed), p.faint("and is not tried again by itself"))
	}
	return fmt.Sprintf("the rollout of %s was %s", clean(r.Version), inWords(r.Phase))
}

// sentence is the last decision in its own words, in at most so many rows.
func (s scene) sentence(width, rows int, p paint) []string {
	if s.decided.Sentence == "" {
		return nil
	}
	at := s.decided.At.Format(time.TimeOnly)
	lines := strings.Split(lipgloss.Wrap(at+" "+clean(s.decided.Sentence), width-3, ""), "\n")
	if len(lines) > rows {
		lines = lines[:rows]
		lines[rows-1] = strings.TrimRight(lines[rows-1], " ") + "…"
	}
	for i, line := range lines {
		lines[i] = " " + strings.TrimRight(line, " ")
	}
	lines[0] = strings.Replace(lines[0], at, p.faint(at), 1)
	return lines
}

// log is what was typed, the newest last, filled up to exactly so many rows.
func (s scene) log(width, rows int, p paint) []string {
	var lines []string
	for i, t := range slices.Backward(s.typed) {
		entry := t.rows(width, p)
		if i == len(s.typed)-1 && s.busy {
			entry = append(entry, p.faint("   …"))
		}
		if left := rows - 1 - len(lines); len(entry) > left {
			if len(lines) > 0 || left < 1 {
				break
			}
			entry = entry[:left] // of the newest one at least the beginning
		}
		lines = append(entry, lines...)
	}
	for len(lines) < rows {
		lines = append(lines, "")
	}
	return lines[:max(rows, 0)]
}

func (t typed) rows(width int, p paint) []string {
	var rows []string
	if t.line != "" {
		rows = append(rows, " "+p.key("$ "+t.line))
	}
	for _, said := range t.answer {
		for line := range strings.Lines(lipgloss.Wrap(clean(said), width-4, "")) {
			line = strings.TrimRight(line, "\n ")
			if t.failed {
				line = p.bad(line)
			}
			rows = append(rows, "   "+line)
		}
	}
	return rows
}

func (s scene) keys(width int, p paint) []string {
	pausing := "pause"
	if s.shop.Paused != nil {
		pausing = "resume"
	}
	steer := p.legend(hint{"← →", "weight"}, hint{"s", "start rollout"}, hint{"c", "cut over"}, hint{"r", "roll back"}, hint{"p", pausing})
	f := s.fault
	wreck := p.legend(hint{"b", p.toggle("errors", f.Errors > 0)}, hint{"l", p.toggle("latency", f.Latency > 0)}, hint{"h", p.toggle("hang", f.Hang > 0)})
	return []string{" " + steer, spread(width, " "+p.faint("break green: ")+wreck, p.legend(hint{"q", "quit"})+" ")}
}

// spread puts one text to the left and one to the right.
func spread(width int, left, right string) string {
	return left + strings.Repeat(" ", max(1, width-lipgloss.Width(left)-lipgloss.Width(right))) + right
}
