//go:build linux

package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/bench/peer"
)

// commands shows how each proxy ran, with plain ports in place of those that were free.
func (f *figures) commands(b *strings.Builder) {
	s := peer.Setup{
		Listen: "127.0.0.1:8080", Admin: "127.0.0.1:9900", Clients: clients(), Threads: 1,
		Blue: []string{"127.0.0.1:9001", "127.0.0.1:9002"}, Green: []string{"127.0.0.1:9003", "127.0.0.1:9004"},
	}
	b.WriteString("### Commands and files\n\nOther ports than here; where there are more threads, their number is another.\n")
	for _, p := range f.withRelay() {
		command := append([]string{filepath.Base(p.Program)}, p.Args(s)...)
		if p.Env != nil {
			command = append(p.Env(s), command...)
		}
		fmt.Fprintf(b, "\n<details><summary>%s: <code>%s</code></summary>\n\n", p.Name, line(command))
		files := p.Files(s)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			language := ""
			if strings.HasSuffix(name, ".yaml") {
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
