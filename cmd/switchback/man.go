package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (a *app) manCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "man [command...] [--dir FOLDER]",
		Short: "Write manual pages",
		Long: "Write the manual page of switchback, or of one of its commands, to standard output; with --dir the pages\n" +
			"of all commands as files into a folder.",
		Example: "  switchback man | man -l -\n" +
			"  switchback man rollout start\n" +
			"  switchback man --dir /usr/local/share/man/man1",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			of, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []cobra.Completion
			for _, c := range of.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, word(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := a.pristine()
			if dir != "" {
				if len(args) > 0 {
					return usage{errors.New("--dir writes the pages of all commands; name none")}
				}
				return writePages(root, dir)
			}
			of, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage{fmt.Errorf("there is no command %q", strings.Join(args, " "))}
			}
			page, err := manual(of)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(page)
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "write a page for every command into this `folder`")
	return cmd
}

// pristine is the command line as it is without anything in the environment, so that a page says the same
// wherever it is made.
func (a *app) pristine() *cobra.Command {
	root := (&app{env: func(string) string { return "" }, now: a.now}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true
	return root
}

// writePages writes switchback.1, switchback-status.1 and so on into a folder, which it makes.
func writePages(cmd *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // manual pages are for everybody
		return fmt.Errorf("write manual pages: %w", err)
	}
	page, err := manual(cmd)
	if err != nil {
		return err
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil { //nolint:gosec // the same
		return fmt.Errorf("write manual pages: %w", err)
	}
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writePages(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

// manual is the page of one command in section 1.
func manual(cmd *cobra.Command) ([]byte, error) {
	var page bytes.Buffer
	date := buildDate()
	header := doc.GenManHeader{Section: "1", Source: "switchback " + buildVersion(), Manual: "switchback", Date: &date}
	if err := doc.GenMan(cmd, &header, &page); err != nil {
		return nil, fmt.Errorf("write the manual page of %s: %w", cmd.CommandPath(), err)
	}
	return seemlyPage(page.Bytes(), date), nil
}

var (
	pageHead   = regexp.MustCompile(`(?m)^(\.TH "[^"]*" "1" )"[^"]*"`)
	pageOption = regexp.MustCompile(`(?m)^(?:\.PP\n)?(\\fB-.*)\n\t(.*)$`)
)

// seemlyPage gives a page what the library leaves out: a date that every reader of pages understands, and
// options as a list instead of paragraphs with tabs in them.
func seemlyPage(page []byte, date time.Time) []byte {
	page = pageHead.ReplaceAll(page, []byte(`${1}"`+date.Format(time.DateOnly)+`"`))
	return pageOption.ReplaceAll(page, []byte(".TP\n$1\n\\&$2"))
}

// buildDate is that of the commit this binary is built from, so that two builds write the same page, or
// today where nobody wrote it into the binary.
func buildDate() time.Time {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if at, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return at.UTC()
			}
		}
	}
	return time.Now().UTC()
}
