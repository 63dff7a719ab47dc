//go:build linux

package main

import (
	"fmt"
	"maps"
	"path/filepath"
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
	f.cpuTable(&b)
	f.latencyTable(&b)
	f.memoryTable(&b)
	f.commands(&b)
	return b.String()
}

// programs lists what was measured.
func (f *figures) programs() string {
	rows := table{{"program", "says of itself"}, {"---", "---"}}
	for i, p := range f.peers {
		rows = append(rows, []string{p.Name, f.versions[i]})
	}
	return rows.String() + "\nReverseProxy is net/http/httputil's, with nothing around it but the choice of a target."
}

// failures counts all requests that were measured.
func (f *figures) failures() string {
	failed, all := make(map[string]int), 0
	first := make(map[string]string)
	for _, pass := range [][][][]sample{f.cpu, f.latency} {
		for _, row := range pass {
			for i, samples := range row {
				for _, s := range samples {
					all += s.Answered + s.Failed
					if failed[f.name(i)] += s.Failed; s.First != "" {
						first[f.name(i)] = s.First
					}
				}
			}
		}
	}
	text := fmt.Sprintf("%d requests were measured", all)
	for i := range len(f.peers) + 1 {
		if name := f.name(i); failed[name] > 0 {
			text += fmt.Sprintf("; %d through %s failed (%s)", failed[name], name, first[name])
		}
	}
	if len(first) == 0 {
		text += "; none failed"
	}
	return text + "."
}

func (f *figures) cpuTable(b *strings.Builder) {
	b.WriteString(`### Processor time per request

Microseconds of user and system time of the proxy and its children, from /proc, over all requests of a round. One thread each:
one worker, ` + "`nbthread 1`, `GOMAXPROCS=1`" + `. Requests come at a fixed rate that leaves every proxy most of its time idle. The last column is
switchback's share of the better of nginx and HAProxy.

`)
	head := []string{"requests", "clients", "a second"}
	for _, p := range f.peers {
		head = append(head, p.Name)
	}
	rows := table{append(head, "of the better"), nil}
	for i, w := range workloads {
		row := []string{w.Name, fmt.Sprint(w.Connections), fmt.Sprint(w.Rate)}
		micros := make([]series, len(f.peers))
		for j, samples := range f.cpu[i] {
			micros[j] = of(samples, sample.micros)
		}
		row = append(row, f.beside(micros)...)
		rows = append(rows, append(row, short(f.share(micros))))
	}
	fmt.Fprintf(b, "%s\n", rows)
}

// beside writes a series of each proxy and its ratio to ours.
func (f *figures) beside(all []series) []string {
	var cells []string
	for i, s := range all {
		cell := s.String()
		if i != f.own() {
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

// share is ours as a part of the better of nginx and HAProxy.
func (f *figures) share(all []series) float64 {
	share := 0.0
	for i, p := range f.peers {
		if p.Name == "nginx" || p.Name == "HAProxy" {
			share = max(share, all[f.own()].over(all[i]).median())
		}
	}
	return share
}

func (f *figures) latencyTable(b *strings.Builder) {
	fmt.Fprintf(b, `### Latency

Microseconds from the moment a request was due to the end of its answer: requests are sent at fixed times, whatever became of those
before, so a stall counts for everyone who would have met it. %s, %d clients, %d threads each. Added is the median of what a proxy's
round has over the round without one; there × is the ratio of these medians. The last column is processor time, as above.

`, asked.Name, asked.Connections, runtime.NumCPU())
	rows := table{{"program", "a second", "p50", "p90", "p99", "p99.9", "added p50", "added p99", "µs of processor"}, nil}
	for i, rate := range rates {
		for j := range f.latency[i] {
			rows = append(rows, append([]string{f.name(j), fmt.Sprint(rate)}, f.latencyCells(f.latency[i], j)...))
		}
	}
	fmt.Fprintf(b, "%s\n", rows)
}

// latencyCells is the row of one way at one rate.
func (f *figures) latencyCells(ways [][]sample, j int) []string {
	p50, p90 := f.micros(ways, func(o outcome) time.Duration { return o.P50 }), f.micros(ways, func(o outcome) time.Duration { return o.P90 })
	p99, p999 := f.micros(ways, func(o outcome) time.Duration { return o.P99 }), f.micros(ways, func(o outcome) time.Duration { return o.P999 })
	direct := len(f.peers)
	if j == direct {
		return []string{p50[j].String(), p90[j].String(), p99[j].String(), p999[j].String(), "", "", ""}
	}
	processor := make([]series, len(f.peers))
	for k := range processor {
		processor[k] = of(ways[k], sample.micros)
	}
	return []string{
		f.beside(p50)[j], f.beside(p90)[j], f.beside(p99)[j], f.beside(p999)[j],
		f.added(p50, j), f.added(p99, j), f.beside(processor)[j],
	}
}

// micros is one value of each way's samples.
func (f *figures) micros(ways [][]sample, value func(outcome) time.Duration) []series {
	all := make([]series, len(ways))
	for k, samples := range ways {
		all[k] = of(samples, func(s sample) float64 { return float64(value(s.outcome).Nanoseconds()) / 1000 })
	}
	return all
}

// added is what a way has over the last, which is the one without a proxy. Noise may make it negative; then
// it has no ratio.
func (f *figures) added(all []series, j int) string {
	over := func(k int) float64 {
		return all[k].with(all[len(f.peers)], func(a, b float64) float64 { return a - b }).median()
	}
	text, own := short(over(j)), over(f.own())
	if j != f.own() && over(j) > 0 && own > 0 {
		text += " ×" + short(over(j)/own)
	}
	return text
}

func (f *figures) memoryTable(b *strings.Builder) {
	fmt.Fprintf(b, `### Memory per idle connection

What resident memory grew by while %d clients connected, sent a request each and stayed, for each of them; the kernel's buffers are not in it.
One thread each, a new process in each of %d rounds, warm before. RSS counts pages that processes share in each of them, PSS once.

`, f.memory[0][0].connections, len(f.memory[0]))
	rows := table{{"program", "MB RSS before", "KB RSS a connection", "KB PSS a connection", "× RSS"}, nil}
	per := func(i int, value func(m memory) (before, after int64)) series {
		return of(f.memory[i], func(m memory) float64 {
			before, after := value(m)
			return float64(after-before) / 1024 / float64(m.connections)
		})
	}
	rss := func(i int) series { return per(i, func(m memory) (int64, int64) { return m.before.RSS, m.after.RSS }) }
	pss := func(i int) series { return per(i, func(m memory) (int64, int64) { return m.before.PSS, m.after.PSS }) }
	for i, p := range f.peers {
		before := of(f.memory[i], func(m memory) float64 { return float64(m.before.RSS) / (1 << 20) })
		rows = append(rows, []string{
			p.Name, short(before.median()), rss(i).String(), pss(i).String(), short(rss(i).over(rss(f.own())).median()),
		})
	}
	fmt.Fprintf(b, "%s\n", rows)
}

// commands shows how each proxy ran, with plain ports in place of those that were free.
func (f *figures) commands(b *strings.Builder) {
	s := peer.Setup{
		Listen: "127.0.0.1:8080", Admin: "127.0.0.1:9900", Clients: clients(), Threads: 1,
		Blue: []string{"127.0.0.1:9001", "127.0.0.1:9002"}, Green: []string{"127.0.0.1:9003", "127.0.0.1:9004"},
	}
	b.WriteString("### Commands and files\n\nOther ports than here; where there are more threads, their number is another.\n")
	for _, p := range f.peers {
		command := append([]string{filepath.Base(p.Program)}, p.Args(s)...)
		if p.Env != nil {
			command = append(p.Env(s), command...)
		}
		fmt.Fprintf(b, "\n<details><summary>%s: <code>%s</code></summary>\n\n", p.Name, line(command))
		files := p.Files(s)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			language := ""
			if p.Name == ours {
				language = "yaml"
			}
			fmt.Fprintf(b, "`%s`:\n\n```%s\n%s```\n\n", name, language, files[name])
		}
		b.WriteString("</details>\n")
	}
}

// line is a command as a shell takes it.
func line(words []string) string {
	for i, word := range words {
		if strings.ContainsAny(word, " ;") {
			words[i] = "'" + word + "'"
		}
	}
	return strings.Join(words, " ")
}
