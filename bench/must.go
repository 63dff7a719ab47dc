//go:build linux

package main

import (
	"fmt"
	"math"
	"time"
)

const mustText = `What switchback's event loops and its general path are held to: its figure as a part of that of the program named, or the figure itself
where none is. Must is what it is not to exceed, with requests a second what it is to reach; without one there is no target. A dash is
where noise has left no ratio. Processor time has targets where the proxy is busy.`

// mustTable is every figure that has a target, and the general path's of all kinds of requests.
func (f *figures) mustTable() table {
	m := must{f, table{{"measure", "against", "switchback", "must"}, nil}, f.column("nginx"), append(f.column("nginx"), f.column("HAProxy")...)}
	for i, w := range f.workloads {
		m.processor(w, f.share(f.values(f.cpu[i], sample.micros), f.own(), m.better))
	}
	for i, w := range f.latency {
		m.latency(w.Rate, f.times[i])
	}
	for _, ways := range f.users {
		m.add("processor time, sticky users", "a random split", of(ways[1], sample.micros).over(of(ways[0], sample.micros)).median(), atMost(1.05))
	}
	m.add("KB RSS of an idle connection", "", of(f.memory[f.own()], memory.rss).median(), atMost(0.6))
	m.general()
	return m.rows
}

// must is a mustTable that is written.
type must struct {
	*figures
	rows          table
	nginx, better []int // columns
}

// add writes a row, unless its figure is 0 because something in it was not measured.
func (m *must) add(measure, against string, figure float64, target string) {
	switch {
	case math.IsNaN(figure):
		m.rows = append(m.rows, []string{measure, against, "–", target})
	case figure > 0:
		m.rows = append(m.rows, []string{measure, against, short(figure), target})
	}
}

// processor writes the rows of a workload that has a target.
func (m *must) processor(w workload, share float64) {
	if w.Must > 0 {
		m.add("processor time, "+kind(w), "the better", share, atMost(w.Must))
	}
	if kind(w) == kind(full) && share > 0 {
		m.add("requests a second of a core, "+asks(w), "the better", 1/share, "≥ 1.10")
	}
}

// latency writes the rows of a rate that has targets.
func (m *must) latency(rate int, ways [][]sample) {
	p50 := m.micros(ways, func(o outcome) time.Duration { return o.P50 })
	p99 := m.micros(ways, func(o outcome) time.Duration { return o.P99 })
	switch rate {
	case calm:
		m.add("processor time, 2000 a second, default threads", "nginx", m.share(m.values(ways, sample.micros), m.own(), m.nginx), atMost(0.9))
		m.add("p50 added, 2000 a second", "nginx", m.addedShare(p50, m.nginx), atMost(1))
		m.add("p99 added, 2000 a second", "nginx", m.addedShare(p99, m.nginx), atMost(0.9))
	case busy:
		m.add("p99 added, 10000 a second", "the better", m.addedShare(p99, m.better), atMost(0.7))
	}
}

// general writes what the general path takes beside ReverseProxy, where both are.
func (m *must) general() {
	path, plain := m.column(general), m.column("ReverseProxy")
	if len(path) == 0 || len(plain) == 0 {
		return
	}
	for i, w := range m.workloads {
		target := ""
		if kind(w) == kind(full) {
			target = atMost(0.7)
		}
		micros := m.values(m.cpu[i], sample.micros)
		m.add("general path, "+kind(w), "ReverseProxy", micros[path[0]].over(micros[plain[0]]).median(), target)
	}
}

// kind names a workload as no other.
func kind(w workload) string {
	if w.Saturate {
		return asks(w) + ", busy"
	}
	return fmt.Sprintf("%s, %d a second", asks(w), w.Rate)
}

func asks(w workload) string { return fmt.Sprintf("%s, %d clients", w.Name, w.Connections) }

// atMost is a target, "" for 0.
func atMost(v float64) string {
	if v == 0 {
		return ""
	}
	return "≤ " + short(v)
}

// addedShare is what ours adds as a part of the least that some columns add: 0 when there are none, no number when
// noise has made one negative.
func (f *figures) addedShare(all []series, columns []int) float64 {
	share, own := 0.0, f.over(all, f.own())
	for _, i := range columns {
		over := f.over(all, i)
		if over <= 0 || own <= 0 {
			return math.NaN()
		}
		share = max(share, own/over)
	}
	return share
}
