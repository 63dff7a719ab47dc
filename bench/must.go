//go:build linux

package main

import (
	"fmt"
	"math"
	"time"
)

const mustText = `What switchback's event loops and its general path are held to: its figure as a part of that of the program named, or the figure itself
where none is. Must is what it is not to exceed, with requests a second what it is to reach; without one there is no target. A dash is
where noise has left no ratio.`

// mustTable is every figure that has a target, and the processor time of all kinds of requests.
func (f *figures) mustTable() table {
	m := must{f, table{{"measure", "against", "switchback", "must"}, nil}, f.column("nginx"), append(f.column("nginx"), f.column("HAProxy")...)}
	for i, w := range f.workloads {
		m.add("processor time, "+kind(w), "the better", f.share(f.values(f.cpu[i], sample.micros), m.better), atMost(w.Must))
	}
	for i, w := range f.latency {
		m.latency(w.Rate, f.times[i])
	}
	for i, w := range f.saturated {
		if share := f.share(f.values(f.full[i], sample.micros), m.better); share > 0 {
			m.add("requests a second of a core, "+kind(w), "the better", 1/share, "≥ 1.10")
		}
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

// latency writes the rows of a rate that has targets.
func (m *must) latency(rate int, ways [][]sample) {
	p50 := m.micros(ways, func(o outcome) time.Duration { return o.P50 })
	p99 := m.micros(ways, func(o outcome) time.Duration { return o.P99 })
	switch rate {
	case calm:
		m.add("processor time, 2000 a second, default threads", "nginx", m.share(m.values(ways, sample.micros), m.nginx), atMost(0.9))
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
		if kind(w) == kind(few) {
			target = atMost(0.7)
		}
		micros := m.values(m.cpu[i], sample.micros)
		m.add("general path, "+kind(w), "ReverseProxy", micros[path[0]].over(micros[plain[0]]).median(), target)
	}
}

func kind(w workload) string { return fmt.Sprintf("%s, %d clients", w.Name, w.Connections) }

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
