package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
)

func (a *app) syncCommand() *cobra.Command {
	var file string
	var write, force bool
	cmd := &cobra.Command{
		Use:   "sync [service] [service ...] [--write] [-c FILE]",
		Short: "Write what was set at run time into the file, so that the file tells the truth again",
		Long: "Show which numbers of the file would have to change for it to say what is in force, or with --write change them.\n" +
			"Weights, and strategy and value of flags, are written in place; comments, order and everything else stay. The\n" +
			"next reload moves nothing: what was set at run time dissolves, because the file says the same.\n\n" +
			"A rollout that runs is left alone. A file that is not the one in force is refused (exit code 3) without --force.",
		RunE: func(cmd *cobra.Command, args []string) error {
			s := syncer{app: a, cmd: cmd, file: file, named: args}
			out, text, patched, err := s.look(force)
			if err != nil {
				return err
			}
			if write && len(out.Lines) > 0 {
				if err := replaceFile(file, text, patched); err != nil {
					return err
				}
				out.Written = true
			}
			return a.show(cmd, out, func(p *page) { p.synced(out) })
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "config", "c", defaultConfig, "the `file`")
	f.BoolVar(&write, "write", false, "change the file")
	f.BoolVar(&force, "force", false, "also when the file is not the one in force")
	return cmd
}

// synced is what sync did, or would do.
type synced struct {
	File    string         `json:"file"`
	Written bool           `json:"written"`
	Changes []syncedChange `json:"changes"`
	Lines   []lineChange   `json:"lines"`
	Left    []string       `json:"left"` // what has to be done by hand
}

type syncedChange struct {
	Service string `json:"service,omitempty"`
	Flag    string `json:"flag,omitempty"`
	Was     string `json:"was"`
	Is      string `json:"is"`
	Why     string `json:"why"`
}

// syncer compares a server with a file.
type syncer struct {
	app   *app
	cmd   *cobra.Command
	file  string
	named []string
	conf  *config.Config
	edits config.Edits
	out   synced
}

// look finds out what differs, and what the file would be.
func (s *syncer) look(force bool) (out synced, text, patched []byte, err error) {
	if text, err = os.ReadFile(s.file); err != nil {
		return out, nil, nil, err
	}
	if s.conf, err = config.Parse(s.file, text); err != nil {
		return out, nil, nil, err
	}
	s.out = synced{File: s.file, Changes: []syncedChange{}, Lines: []lineChange{}, Left: []string{}}
	s.edits = config.Edits{Weights: map[string]config.Weights{}, Flags: map[string]config.FlagStrategy{}}
	ctx, cancel := context.WithTimeout(s.cmd.Context(), patience)
	defer cancel()
	c, err := s.app.client()
	if err != nil {
		return out, nil, nil, err
	}
	o, err := c.Overview(ctx)
	if err != nil {
		return out, nil, nil, err
	}
	if in := o.Node.Config.Digest; in != s.conf.Digest && !force {
		return out, nil, nil, coded{fmt.Errorf("%s is not the file in force (%s, digest %s): reload it first, or --force", s.file, o.Node.Config.File, short(in)), exitRefused}
	}
	if err := s.services(o.Services); err != nil {
		return out, nil, nil, err
	}
	all, err := c.Flags(ctx)
	if err != nil {
		return out, nil, nil, err
	}
	for _, f := range all.Flags {
		s.flag(f)
	}
	if patched, err = config.Patch(s.file, text, s.edits); err != nil {
		return out, nil, nil, fmt.Errorf("%s: %w", s.file, err)
	}
	s.out.Lines = changedLines(text, patched)
	return s.out, text, patched, nil
}

// asked reports whether a service or flag is among those named; none named are all.
func (s *syncer) asked(name string) bool { return len(s.named) == 0 || slices.Contains(s.named, name) }

func (s *syncer) services(all []api.Service) error {
	for _, name := range s.named {
		if !slices.ContainsFunc(all, func(v api.Service) bool { return v.Name == name }) {
			return usage{fmt.Errorf("the server has no service %q", name)}
		}
	}
	for i := range all {
		v := &all[i]
		if v.Weights.Intent == nil || !s.asked(v.Name) {
			continue
		}
		if v.Rollout.Running() {
			s.out.Left = append(s.out.Left, fmt.Sprintf("%s: a rollout runs, and weights in the file would end it; sync when it has ended", v.Name))
			continue
		}
		if err := s.service(v); err != nil {
			return err
		}
	}
	return nil
}

func (s *syncer) service(v *api.Service) error {
	in := s.conf.Service(v.Name)
	if in == nil {
		s.out.Left = append(s.out.Left, fmt.Sprintf("%s: the file does not have it", v.Name))
		return nil
	}
	w := config.Weights{}
	for pool, percent := range v.Weights.InForce {
		share, err := config.ParseWeight(percent)
		if err != nil {
			return fmt.Errorf("weights of %s: %w", v.Name, err)
		}
		if share > 0 && in.Pool(pool) == nil {
			s.out.Left = append(s.out.Left, fmt.Sprintf("%s: the file has no pool %s, which has %v", v.Name, pool, share))
			return nil
		}
		w[pool] = share
	}
	if w.Equal(in.Weights) {
		return nil
	}
	change := syncedChange{Service: v.Name, Was: weightText(in, in.Weights), Is: weightText(in, w), Why: v.Why}
	if v.Flag == "" {
		s.edits.Weights[v.Name] = w
	} else {
		change.Service, change.Flag = "", v.Flag
		change.Was, change.Is = in.Weights[config.VariantOn].String(), w[config.VariantOn].String()
		s.edits.Flags[v.Flag] = config.FlagStrategy{Strategy: config.ByPercentage, Value: w[config.VariantOn]}
	}
	s.out.Changes = append(s.out.Changes, change)
	return nil
}

func weightText(in *config.Service, w config.Weights) string {
	var said []string
	for _, p := range in.Pools {
		said = append(said, fmt.Sprintf("%s %v", p.Name, w[p.Name]))
	}
	return strings.Join(said, ", ")
}

// flag writes what is simple: a strategy and its value, where the rest is the file's.
func (s *syncer) flag(f api.Flag) {
	if f.Killed != nil && len(s.named) == 0 {
		s.out.Left = append(s.out.Left, fmt.Sprintf("flag %s: it is killed, which a file cannot say; it stays killed until it is restored", f.Name))
	}
	if f.Layer != "runtime" || f.Service != "" || len(s.named) > 0 {
		return
	}
	is, err := config.ParseFlag(f.Name, f.Definition)
	file := s.conf.Flag(f.Name)
	if err != nil || file == nil || !simple(file, is) {
		s.out.Left = append(s.out.Left, fmt.Sprintf("flag %s: more than its strategy and value differs; to write by hand: %s", f.Name, f.Definition))
		return
	}
	if file.Strategy == is.Strategy && file.Value == is.Value {
		return
	}
	s.edits.Flags[f.Name] = config.FlagStrategy{Strategy: is.Strategy, Value: is.Value}
	change := syncedChange{Flag: f.Name, Was: strategyText(file), Is: strategyText(is)}
	if f.Set != nil {
		change.Why = "set by " + f.Set.By + because(f.Set.Reason)
	}
	s.out.Changes = append(s.out.Changes, change)
}

func strategyText(f *config.Flag) string {
	if f.Strategy == config.ByPercentage {
		return f.Value.String()
	}
	return string(f.Strategy)
}

// simple reports whether two definitions differ in strategy and value only.
func simple(a, b *config.Flag) bool {
	rest := func(f *config.Flag) []byte {
		c := *f
		c.Strategy, c.Value = config.ForAll, 0
		text, err := json.Marshal(&c)
		if err != nil {
			return nil
		}
		return text
	}
	return bytes.Equal(rest(a), rest(b))
}

func (p *page) synced(out synced) {
	for _, c := range out.Changes {
		about := c.Service
		if c.Flag != "" {
			about = "flag " + c.Flag
		}
		p.line("%s: %s → %s (%s)", clean(about), clean(c.Was), clean(c.Is), clean(c.Why))
	}
	for _, l := range out.Lines {
		p.line("%s:%d:", out.File, l.Line)
		for _, was := range l.Was {
			p.line("- %s", clean(was))
		}
		for _, is := range l.Is {
			p.line("+ %s", clean(is))
		}
	}
	for _, left := range out.Left {
		p.line("left: %s", clean(left))
	}
	switch {
	case len(out.Lines) == 0 && len(out.Left) == 0:
		p.line("%s says what is in force", out.File)
	case len(out.Lines) == 0:
		p.line("nothing to write into %s", out.File)
	case out.Written:
		p.line("%s is written; reading it moves nothing", out.File)
	default:
		p.line("nothing is written yet: --write does it")
	}
}
