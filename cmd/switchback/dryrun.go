package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// changing are the verbs that change something on a server.
var changing = []string{
	"weights", "cutover", "rollback", "pause", "resume", "reload",
	"rollout start", "rollout promote", "rollout approve", "rollout step-back", "rollout open-gate",
	"flag set", "flag kill", "flag restore", "flag drop",
}

// tryable gives every verb that changes something a flag to only try it.
func (a *app) tryable(root *cobra.Command) {
	for _, verb := range changing {
		cmd, _, err := root.Find(strings.Fields(verb))
		if err == nil && cmd != root {
			cmd.Flags().BoolVar(&a.dryRun, "dry-run", false, "change nothing; say what would change, or why it would be refused")
		}
	}
}

// tried says that nothing below it happened.
func (p *page) tried(dry bool) {
	if dry {
		p.line("dry run, nothing was changed; this is what would be:")
	}
}
