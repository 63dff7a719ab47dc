package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

// The bounds of what is asked at once, and of one line.
const (
	bunch     = 4096
	bunchSize = 1 << 20 // bytes
	maxLine   = 64 << 10
)

// asker says who of some keys is in.
type asker func(keys []string) (api.Cohort, error)

func (a *app) cohortCommand() *cobra.Command {
	var file, flag string
	var weight, value float64
	cmd := &cobra.Command{
		Use:   "cohort [service] [--weight PERCENT] < ids",
		Short: "List who would meet the candidate, or have a flag",
		Long: "Read sticky keys, one a line, and write those that meet the candidate at a weight, or with --flag those that have the\n" +
			"flag at a value. Without --weight or --value: as it is now. With -c the file is asked, not the server. JSON is one\n" +
			"object a line. It changes nothing.",
		Example: "  switchback cohort shop --weight 10 < ids\n" +
			"  switchback cohort --flag new-checkout --value 25 -c switchback.yaml < ids",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := api.CohortRequest{Flag: flag}
			if cmd.Flags().Changed("weight") {
				q.Weight = &weight
			}
			if cmd.Flags().Changed("value") {
				q.Value = &value
			}
			ask, err := a.asker(cmd.Context(), file, args, q)
			if err != nil {
				return err
			}
			return a.cohort(cmd, ask)
		},
	}
	f := cmd.Flags()
	f.Float64Var(&weight, "weight", 0, "percent for the candidate; the baseline has the rest")
	f.StringVar(&flag, "flag", "", "ask about this flag, not about a service")
	f.Float64Var(&value, "value", 0, "percent of the users who have the flag")
	f.StringVarP(&file, "config", "c", "", "ask this `file`, not a server")
	return cmd
}

// asker asks a file when one is named, else the server.
func (a *app) asker(ctx context.Context, file string, named []string, q api.CohortRequest) (asker, error) {
	if q.Flag != "" && len(named) > 0 {
		return nil, usage{errors.New("name a service, or a flag with --flag, not both")}
	}
	if len(named) > 0 {
		q.Service = named[0]
	}
	if file != "" {
		return cohortOffline(file, q)
	}
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	if q.Flag == "" {
		if q.Service, err = a.service(ctx, c, named); err != nil {
			return nil, err
		}
	}
	return func(keys []string) (api.Cohort, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		q.Keys = keys
		for _, key := range keys {
			if !utf8.ValidString(key) { // JSON would change it, and with it the answer
				return api.Cohort{}, fmt.Errorf("the key %q is not UTF-8, which a server cannot be asked about; ask the file with -c", key)
			}
		}
		return c.Cohort(ctx, q)
	}, nil
}

// cohort streams: it holds no more than one bunch of keys.
func (a *app) cohort(cmd *cobra.Command, ask asker) error {
	out := bufio.NewWriter(cmd.OutOrStdout())
	asked, in, refused := 0, 0, 0
	var about api.Cohort
	err := eachBunch(cmd.InOrStdin(), func(keys []string) error {
		answer, err := ask(keys)
		if err != nil {
			return err
		}
		about, asked, in, refused = answer, asked+len(keys), in+len(answer.In), refused+answer.Refused
		for _, key := range answer.In {
			if err := a.member(out, key, answer); err != nil {
				return fmt.Errorf("write the answer: %w", err)
			}
		}
		return out.Flush()
	})
	if err != nil {
		return err
	}
	if asked == 0 { // a wrong name is wrong also when nobody is asked about
		if _, err = ask(nil); err != nil {
			return err
		}
	}
	if a.output == "text" && asked > 0 {
		cmd.PrintErrf("%s of %s in at %s, hashed behind %q\n", grouped(int64(in)), grouped(int64(asked)), percent(about.Percent), about.Hashed)
	}
	if refused > 0 {
		cmd.PrintErrf("switchback: %s no request can bring: too long, or not of the form of an issued cookie\n", count(refused, "key"))
	}
	return nil
}

// member writes somebody who is in.
func (a *app) member(out *bufio.Writer, key string, about api.Cohort) error {
	if a.output == "text" {
		_, err := out.WriteString(key + "\n")
		return err
	}
	line, err := json.Marshal(struct {
		Key  string `json:"key"`
		Pool string `json:"pool,omitempty"`
	}{key, about.Pool})
	if err == nil {
		_, err = out.Write(append(line, '\n'))
	}
	return err
}

// eachBunch reads lines and hands them over some at a time. Empty ones are passed over.
func eachBunch(r io.Reader, do func(keys []string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	keys, size := make([]string, 0, bunch), 0
	for lines.Scan() {
		key := strings.TrimSuffix(lines.Text(), "\r")
		if key == "" {
			continue
		}
		keys, size = append(keys, key), size+len(key)
		if len(keys) == bunch || size > bunchSize {
			if err := do(keys); err != nil {
				return err
			}
			keys, size = keys[:0], 0
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the keys: %w", err)
	}
	if len(keys) == 0 {
		return nil
	}
	return do(keys)
}
