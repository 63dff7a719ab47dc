//go:build linux

package main

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/bench/peer"
)

const intro = `## Beside other proxies

Written by ` + "`make bench-peers`" + ` on %s; no figure here is typed by hand. %s; load average %s before and %s
after, so other programs may have shared the machine: compare within a table, not between runs. All on 127.0.0.1: one process is
the backend, one the clients, and each proxy stands between with the same task: connections kept on both sides, %d %% of requests to two
targets and %d %% to two others, X-Forwarded fields, no access log. %d rounds; in each, every proxy is measured for %v, one after the
other. A figure is the median of the rounds (least–most); × is how many times switchback's it is, the median of the ratios of each round.
%s

%s

`

// section is the page's part about proxies.
func (f *figures) section() string {
	var b strings.Builder
	fmt.Fprintf(&b, intro, f.date.Format("2006-01-02"), machine(), f.loads[0], f.loads[1], peer.BlueShare, peer.GreenShare,
		f.rounds, f.each, f.failures(), f.programs())
	for _, p := range f.parts() {
		fmt.Fprintf(&b, "### %s\n\n%s\n\n%s\n", p.title, p.text, p.table)
	}
	f.commands(&b)
	return b.String()
}

// terminal is the same without what explains it.
func (f *figures) terminal() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; load average %s before and %s after; %d rounds of %v; the median of the rounds (least–most) ×switchback's.\n%s\n",
		machine(), f.loads[0], f.loads[1], f.rounds, f.each, f.failures())
	for _, p := range f.parts() {
		fmt.Fprintf(&b, "\n%s\n\n%s", p.title, p.table.aligned())
	}
	return b.String()
}

// part is a table with what it shows.
type part struct {
	title, text string
	table       table
}

// parts are those that were measured.
func (f *figures) parts() []part {
	var all []part
	add := func(title, text string, t table) {
		if len(t) > 2 {
			all = append(all, part{title, text, t})
		}
	}
	add("Processor time per request", cpuText, f.cpuTable())
	add("One saturated core", fmt.Sprintf(saturatedText, full.Name, full.Connections), f.saturatedTable())
	add("Users who stay", fmt.Sprintf(stickyText, asked.Name, asked.Connections), f.stickyTable())
	add("Latency", fmt.Sprintf(latencyText, asked.Name, asked.Connections, runtime.NumCPU(), busy), f.latencyTable())
	add("Memory per idle connection", fmt.Sprintf(memoryText, f.memory[0][0].connections, len(f.memory[0])), f.memoryTable())
	add("What is to be reached", mustText, f.mustTable())
	return all
}

const (
	cpuText = `Microseconds of user and system time of the proxy and its children, from the kernel's clock of each process, over all requests of a
round. One thread each: one worker, ` + "`nbthread 1`, `GOMAXPROCS=1`" + `. As answered: each client sends the next request as soon as it has
its answer, which keeps the proxy busy. Otherwise requests come at a fixed rate that leaves every proxy most of its time idle, and much of
what they cost is waking. The last columns are switchback's part of the better of nginx and HAProxy, and relay's: what is left of it where
nothing is read or chosen.`

	saturatedText = `%s, %d clients that send the next request as soon as they have an answer; one thread each, as above. Busy is the part of the time
for which the proxy had a core; where backend and clients need more of the machine than they find, it is not all of it. The last column is
what was answered in each second of processor time: what a core does that is busy throughout.`

	stickyText = `Microseconds as above, of switchback alone: %s, %d clients, each with a cookie of its own. Once requests are split at random, once the
cookie keeps its user on a pool.`

	latencyText = `Microseconds from the moment a request was due to the end of its answer: requests are sent at fixed times, whatever became of those
before, so a stall counts for everyone who would have met it. %s, %d clients, %d threads each. Added is the median of what a proxy's
round has over the round without one; there × is the ratio of these medians. The last column is processor time, as above. At %d a second
stand those alone that keep up with backend and clients beside them.`

	memoryText = `What resident memory grew by while %d clients connected, sent a request each and stayed, for each of them; the kernel's buffers are not in it.
One thread each, a new process in each of %d rounds, warm before. RSS counts pages that processes share in each of them, PSS once.`
)

// programs lists what was measured.
func (f *figures) programs() string {
	rows := table{{"program", "says of itself"}, {"---", "---"}}
	for i, p := range f.withRelay() {
		rows = append(rows, []string{p.Name, f.versions[i]})
	}
	return rows.String() + "\nReverseProxy is net/http/httputil's, with nothing around it but the choice of a target. `" + general + "` is switchback with\n" +
		"`fast: false`: served by net/http alone, as TLS, HTTP/2, upgrades and other systems are, where `" + ours + "` uses its event loops.\n" +
		"relay gives each client a connection to a target and passes bytes on, without reading a header or choosing a target for a request:\n" +
		"no proxy that copies what it passes on is cheaper."
}

// failures counts all requests that were measured.
func (f *figures) failures() string {
	failed, first, all := make(map[string]int), make(map[string]string), 0
	count := func(pass [][][]sample, names []string) {
		for _, row := range pass {
			for i, samples := range row {
				for _, s := range samples {
					all += s.Answered + s.Failed
					if s.Failed > 0 {
						failed[names[i]] += s.Failed
						first[names[i]] = s.First
					}
				}
			}
		}
	}
	count(f.cpu, f.names(f.relay.Name))
	count(f.users, []string{ours, keeping})
	count(f.times, f.names(direct))
	text := fmt.Sprintf("%d requests were measured", all)
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		text += fmt.Sprintf("; %d through %s failed (%s)", failed[name], name, first[name])
	}
	if len(failed) == 0 {
		text += "; none failed"
	}
	return text + "."
}

// names are those of the proxies, and of one way more.
func (f *figures) names(last string) []string {
	var all []string
	for _, p := range f.peers {
		all = append(all, p.Name)
	}
	return append(all, last)
}

func (f *figures) cpuTable() table {
	against, reference := f.reference()
	head := append([]string{"requests", "clients", "a second"}, f.names(f.relay.Name)...)
	rows := table{append(head, "of the "+against, f.relay.Name+"'s of the "+against), nil}
	for i, w := range f.workloads {
		rate := fmt.Sprint(w.Rate)
		if w.Saturate {
			rate = "as answered"
		}
		micros := f.values(f.cpu[i], sample.micros)
		row := append([]string{w.Name, fmt.Sprint(w.Connections), rate}, f.beside(micros)...)
		rows = append(rows, append(row, short(f.share(micros, f.own(), reference)), short(f.share(micros, len(f.peers), reference))))
	}
	return rows
}

// values is one value of each way's samples.
func (f *figures) values(ways [][]sample, value func(sample) float64) []series {
	all := make([]series, len(ways))
	for i, samples := range ways {
		all[i] = of(samples, value)
	}
	return all
}

func (f *figures) saturatedTable() table {
	rows := table{{"program", "requests a second", "% busy", "in a second of processor"}, nil}
	for i, w := range f.workloads {
		if kind(w) != kind(full) {
			continue
		}
		second, core := f.values(f.cpu[i], sample.perSecond), f.values(f.cpu[i], sample.perCore)
		for j, name := range f.names(f.relay.Name) {
			share := of(f.cpu[i][j], sample.busy)
			rows = append(rows, []string{name, f.beside(second)[j], share.String(), f.beside(core)[j]})
		}
	}
	return rows
}

func (f *figures) stickyTable() table {
	rows := table{{"users", "µs of processor", "of random"}, nil}
	for _, ways := range f.users {
		random, sticky := of(ways[0], sample.micros), of(ways[1], sample.micros)
		rows = append(rows, []string{"random", random.String(), ""}, []string{"sticky", sticky.String(), short(sticky.over(random).median())})
	}
	return rows
}

// beside writes a series of each way and its ratio to ours; nothing where it was not measured.
func (f *figures) beside(all []series) []string {
	var cells []string
	for i, s := range all {
		cell := s.String()
		if len(s) > 0 && i != f.own() {
			cell += " ×" + short(s.over(all[f.own()]).median())
		}
		cells = append(cells, cell)
	}
	return cells
}

// own is the column of switchback.
func (f *figures) own() int {
	return slices.IndexFunc(f.peers, func(p peer.Peer) bool { return p.Name == ours })
}

// reference is what the last columns compare with: the better of nginx and HAProxy, or the general path where they
// are missing.
func (f *figures) reference() (name string, columns []int) {
	if columns = append(f.column("nginx"), f.column("HAProxy")...); len(columns) > 0 {
		return "better", columns
	}
	return "general path", f.column(general)
}

// column is where a program stands, nowhere if it was not measured.
func (f *figures) column(name string) []int {
	if i := slices.IndexFunc(f.peers, func(p peer.Peer) bool { return p.Name == name }); i >= 0 {
		return []int{i}
	}
	return nil
}

// share is column i as a part of the least of some columns.
func (f *figures) share(all []series, i int, columns []int) float64 {
	share := 0.0
	for _, j := range columns {
		share = max(share, all[i].over(all[j]).median())
	}
	return share
}

func (f *figures) latencyTable() table {
	rows := table{{"program", "a second", "p50", "p90", "p99", "p99.9", "added p50", "added p99", "µs of processor"}, nil}
	for i, w := range f.latency {
		for j, name := range f.names(direct) {
			if len(f.times[i][j]) > 0 {
				rows = append(rows, append([]string{name, fmt.Sprint(w.Rate)}, f.latencyCells(f.times[i], j)...))
			}
		}
	}
	return rows
}

// latencyCells is the row of one way at one rate.
func (f *figures) latencyCells(ways [][]sample, j int) []string {
	p50, p90 := f.micros(ways, func(o outcome) time.Duration { return o.P50 }), f.micros(ways, func(o outcome) time.Duration { return o.P90 })
	p99, p999 := f.micros(ways, func(o outcome) time.Duration { return o.P99 }), f.micros(ways, func(o outcome) time.Duration { return o.P999 })
	if j == len(f.peers) {
		return []string{p50[j].String(), p90[j].String(), p99[j].String(), p999[j].String(), "", "", ""}
	}
	processor := f.values(ways[:len(f.peers)], sample.micros)
	return []string{
		f.beside(p50)[j], f.beside(p90)[j], f.beside(p99)[j], f.beside(p999)[j],
		f.added(p50, j), f.added(p99, j), f.beside(processor)[j],
	}
}

// micros is a time of each way's samples.
func (f *figures) micros(ways [][]sample, value func(outcome) time.Duration) []series {
	return f.values(ways, func(s sample) float64 { return float64(value(s.outcome).Nanoseconds()) / 1000 })
}

// over is what a way has over the last, which is the one without a proxy. Noise may make it negative.
func (f *figures) over(all []series, j int) float64 {
	return all[j].with(all[len(f.peers)], func(a, b float64) float64 { return a - b }).median()
}

// added writes that, with its ratio to ours where neither is negative.
func (f *figures) added(all []series, j int) string {
	over, own := f.over(all, j), f.over(all, f.own())
	text := short(over)
	if j != f.own() && over > 0 && own > 0 {
		text += " ×" + short(over/own)
	}
	return text
}

func (f *figures) memoryTable() table {
	rows := table{{"program", "MB RSS before", "KB RSS a connection", "KB PSS a connection", "× RSS"}, nil}
	rss := func(i int) series { return of(f.memory[i], memory.rss) }
	pss := func(i int) series { return of(f.memory[i], memory.pss) }
	for i, p := range f.peers {
		before := of(f.memory[i], func(m memory) float64 { return float64(m.before.RSS) / (1 << 20) })
		rows = append(rows, []string{
			p.Name, short(before.median()), rss(i).String(), pss(i).String(), short(rss(i).over(rss(f.own())).median()),
		})
	}
	return rows
}
