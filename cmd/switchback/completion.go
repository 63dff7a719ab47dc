package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

// completionPatience is how long a server may take before a shell's prompt goes on without it.
const completionPatience = 500 * time.Millisecond

// enums are the flags that take one of a few words, as verb and flag; "" stands for every verb.
func enums() map[[2]string][]string {
	return map[[2]string][]string{
		{"", "output"}:      {"text", "json"},
		{"cutover", "wait"}: {"drained"},
		{"wait", "for"}:     slices.Sorted(maps.Keys(goals(""))),
		{"demo", "fault"}:   {"errors=5%", "latency=300ms", "hang=10%", "none"},
	}
}

// completions says what may stand in each place of a command line. A verb says itself what it wants: its
// use line names [service] or flag first. What is not known here is no file either.
func (a *app) completions(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	a.complete(root)
}

func (a *app) complete(cmd *cobra.Command) {
	words := strings.Fields(cmd.Use)
	var of suggest
	if len(words) > 1 && cmd.Runnable() && !cmd.HasSubCommands() {
		of = map[string]suggest{"[service]": serviceNames, "flag": flagNames}[words[1]]
	}
	switch {
	case cmd.Name() == "weights":
		cmd.ValidArgsFunction = a.suggesting(serviceOrShares)
	case cmd.Name() == "set" && of != nil:
		cmd.ValidArgsFunction = a.suggesting(flagThenShare)
	case of != nil:
		cmd.ValidArgsFunction = a.suggesting(only(of))
	}
	if of != nil {
		a.completeFlag(cmd, "to", a.suggesting(poolNames))
		a.completeFlag(cmd, "from", a.suggesting(poolNames))
		a.completeFlag(cmd, "version", a.suggesting(versions))
	}
	a.completeFlag(cmd, "config", ending("yaml", "yml"))
	a.completeFlag(cmd, "token-file", anyFile)
	a.completeFlag(cmd, "definition", anyFile)
	a.completeFlag(cmd, "dir", folder)
	for place, words := range enums() {
		if place[0] == cmd.Name() || place[0] == "" {
			a.completeFlag(cmd, place[1], cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	for _, sub := range cmd.Commands() {
		a.complete(sub)
	}
}

// completeFlag is for a flag that the command itself has; of others it knows nothing.
func (a *app) completeFlag(cmd *cobra.Command, name string, f cobra.CompletionFunc) {
	if own := cmd.Flags().Lookup(name); own == nil && cmd.PersistentFlags().Lookup(name) == nil {
		return
	}
	_ = cmd.RegisterFlagCompletionFunc(name, f) // it exists, and is registered once
}

func ending(with ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(with, cobra.ShellCompDirectiveFilterFileExt)
}

func anyFile(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func folder(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// suggesting asks the server. One that is not there, is slow or wants another token is no reason to say
// anything: a shell is at its prompt.
func (a *app) suggesting(s suggest) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
		defer cancel()
		c, err := a.client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		all := slices.DeleteFunc(s(ctx, c, args), func(w cobra.Completion) bool {
			word, _, _ := strings.Cut(w, "\t")
			return !strings.HasPrefix(word, prefix)
		})
		then := cobra.ShellCompDirectiveNoFileComp
		if len(all) > 0 && strings.HasSuffix(all[0], "=") {
			then |= cobra.ShellCompDirectiveNoSpace
		}
		return all, then
	}
}

// suggest returns the words that may come after args, in any order; none when the server does not tell.
type suggest func(ctx context.Context, c *api.Client, args []string) []cobra.Completion

// word is a suggestion with what it means. Names and versions are those of a server: they must not put
// control characters on a terminal.
func word(name, means string) cobra.Completion {
	if means == "" {
		return clean(name)
	}
	return clean(name) + "\t" + clean(means)
}
