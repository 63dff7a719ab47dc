package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

// maxFileText is more than a server takes, so that it is the server who says that a file is too large.
const maxFileText = 8 << 20

func (a *app) diffCommand() *cobra.Command {
	var file string
	var strict bool
	cmd := &cobra.Command{
		Use:   "diff [-c edited.yaml]",
		Short: "Show what a reload of an edited file would do to traffic, without doing it",
		Long: "Ask a server that runs what a reload of this file would do now: to traffic, pools, health, rollouts and their evidence,\n" +
			"flags, listeners and state. The server makes the same plan as for a reload and throws it away.\n\n" +
			"Exit codes: 0 it would come into force, 2 it is not valid, 3 it would be refused; with --exit-code 1 when it would move\n" +
			"traffic or wait for targets.",
		Example: "  switchback diff -c edited.yaml\n  git show HEAD:switchback.yaml | switchback diff -c -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := fileText(cmd, file)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			c, err := a.client()
			if err != nil {
				return err
			}
			d, err := c.DiffConfig(ctx, text)
			if err != nil {
				return err
			}
			if err := a.show(cmd, d, func(p *page) { p.diff(file, d) }); err != nil {
				return err
			}
			return diffEnd(d, strict)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", defaultConfig, "the edited `file`; - reads it from standard input")
	cmd.Flags().BoolVar(&strict, "exit-code", false, "end with 1 when traffic would move or the file would wait")
	return cmd
}

// fileText reads a file, or standard input when it is called -.
func fileText(cmd *cobra.Command, file string) ([]byte, error) {
	if file == "-" {
		return readText(cmd.InOrStdin(), "standard input")
	}
	f, err := os.Open(file) //nolint:gosec // who calls names the file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readText(f, file)
}

func readText(r io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFileText))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}

// errDiffers ends a diff that was asked to tell by its exit code.
var errDiffers = errors.New("it would not leave traffic as it is")

func diffEnd(d api.ConfigDiff, strict bool) error {
	switch d.Outcome {
	case api.OutcomeInvalid:
		return coded{errors.New("the file is not valid; a reload would change nothing"), exitUsage}
	case api.OutcomeRefused:
		return coded{errors.New("the file would be refused; a reload would change nothing"), exitRefused}
	}
	if strict && (d.Moves || d.Outcome == api.OutcomeWaits) {
		return coded{errDiffers, exitError}
	}
	return nil
}

func (p *page) diff(file string, d api.ConfigDiff) {
	if file == "-" {
		file = "standard input"
	}
	switch d.Outcome {
	case api.OutcomeInvalid:
		p.line("%s is not valid:", file)
		for _, problem := range d.Problems {
			p.line("%s", clean(problemLine(file, problem)))
		}
		return
	case api.OutcomeUnchanged:
		p.line("%s is in force: a reload changes nothing", file)
		if d.Reason != "" {
			p.line("%s", clean(d.Reason))
		}
		return
	case api.OutcomeRefused:
		p.line("%s: refused: %s", file, clean(d.Reason))
		return
	case api.OutcomeWaits:
		p.line("%s: waits: %s", file, clean(d.Reason))
		p.line("then:")
	default:
		p.line("%s: a reload takes effect at once", file)
	}
	if len(d.Changes) == 0 {
		p.line("nothing but the text is different")
	}
	var rows [][]string
	for _, c := range d.Changes {
		about := c.Service
		if c.Flag != "" {
			about = "flag " + c.Flag
		}
		rows = append(rows, []string{c.Area, clean(about), clean(c.Sentence)})
	}
	p.table("lll", rows)
	if !d.Moves {
		p.line("no request goes elsewhere")
	}
}

// problemLine is a problem as check writes it.
func problemLine(file string, p api.ConfigProblem) string {
	var b strings.Builder
	b.WriteString(file + ":")
	for _, n := range []int{p.Line, p.Column} {
		if n > 0 {
			fmt.Fprintf(&b, "%d:", n)
		}
	}
	if p.Path != "" {
		b.WriteString(" " + p.Path + ":")
	}
	b.WriteString(" " + p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}
