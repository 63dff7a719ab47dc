package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
)

func (a *app) explainCommand() *cobra.Command {
	var q api.ExplainRequest
	var headers []string
	var file string
	cmd := &cobra.Command{
		Use:   "explain [service] [--path PATH] [--header 'NAME: VALUE' ...]",
		Short: "Show where a request goes and why, without sending it",
		Long: "Show where a request goes and why, step by step: service, listener, override, rules, cohort or chance, targets,\n" +
			"retries. With a service its first host and path count where none is given. With -c the file is asked as if it were\n" +
			"started with no state; without it the server is asked. It changes nothing.",
		Example: "  switchback explain shop --path /cart --header \"X-User-ID: 42\"\n" +
			"  switchback explain -c switchback.yaml --host shop.example.com --client 10.20.0.7 --header \"Switchback-Pool: green\"",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if q.Headers, err = headerFields(headers); err != nil {
				return usage{err}
			}
			if len(args) > 0 {
				q.Service = args[0]
			}
			x, err := a.explain(cmd.Context(), file, q)
			if err != nil {
				return err
			}
			return a.show(cmd, x, func(p *page) { p.explanation(x) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Path, "path", "", "path as a client sends it")
	f.StringArrayVar(&headers, "header", nil, "a header, as 'Name: value'")
	f.StringVar(&q.Host, "host", "", "host the request is for")
	f.StringVar(&q.Method, "method", "", "method; no rule looks at it")
	f.StringVar(&q.Client, "client", "", "IP address the request comes from")
	f.StringVar(&q.Listener, "listener", "", "name of the listener; else the first one where weights decide")
	f.StringVarP(&file, "config", "c", "", "ask this `file`, not a server")
	return cmd
}

// explain asks a file when one is named, else the server.
func (a *app) explain(ctx context.Context, file string, q api.ExplainRequest) (api.Explanation, error) {
	if file != "" {
		return explainOffline(file, q)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := a.client()
	if err != nil {
		return api.Explanation{}, err
	}
	return c.Explain(ctx, q)
}

// headerFields reads 'Name: value'. Cookies may come in several; of other fields the first one counts, as it
// does for a request.
func headerFields(given []string) (map[string]string, error) {
	all := map[string]string{}
	for _, line := range given {
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("%q is not a header; write it as 'Name: value'", line)
		}
		name, value = strings.ToLower(name), strings.TrimSpace(value)
		before, twice := all[name]
		switch {
		case !twice:
			all[name] = value
		case name == "cookie":
			all[name] = before + "; " + value
		}
	}
	return all, nil
}

func (p *page) explanation(x api.Explanation) {
	p.line("%s", clean(verdictOn(x)))
	p.line("")
	for _, s := range x.Steps {
		p.line("%-10s %s", s.Step, clean(s.Sentence))
		for _, d := range s.Details {
			p.line("%-10s   %s", "", clean(d))
		}
	}
}

// verdictOn is where the request goes, in a line.
func verdictOn(x api.Explanation) string {
	switch {
	case x.Service == "" || x.Pool == "" && len(x.Ends) == 0:
		return "goes nowhere: " + x.Error
	case x.Pool == "":
		var odds []string
		for _, e := range x.Ends {
			odds = append(odds, fmt.Sprintf("%s %s by %s", e.Pool, figure(e.Share), e.Cause))
		}
		return x.Service + " → by luck: " + strings.Join(odds, ", ")
	case x.Error != "":
		return fmt.Sprintf("%s → %s by %s, but %s", x.Service, x.Pool, x.Cause, x.Error)
	case len(x.Ends) == 1 && x.Ends[0].Serves != x.Pool:
		return fmt.Sprintf("%s → %s by %s, served by %s in its place", x.Service, x.Pool, x.Cause, x.Ends[0].Serves)
	}
	return fmt.Sprintf("%s → %s by %s", x.Service, x.Pool, x.Cause)
}
