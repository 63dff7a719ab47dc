package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/config"
)

const defaultConfig = "switchback.yaml"

func (a *app) checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Tell everything that is wrong with a configuration file",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			return a.show(cmd, summarize(c), func(p *page) { p.config(c) })
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", defaultConfig, "configuration file")
	return cmd
}

// summary is what check says of a valid file.
type summary struct {
	File     string   `json:"file"`
	Digest   string   `json:"digest"`
	Services []string `json:"services"`
}

func summarize(c *config.Config) summary {
	s := summary{File: c.File, Digest: c.Digest, Services: []string{}}
	for i := range c.Services {
		s.Services = append(s.Services, c.Services[i].Name)
	}
	return s
}

func (p *page) config(c *config.Config) {
	p.line("%s is valid", c.File)
	var rows [][]string
	for _, l := range c.Listeners {
		rows = append(rows, []string{"listener", l.Name, listenerText(l)})
	}
	rows = append(rows, []string{"admin", "", fmt.Sprintf("%s, %s", c.Admin.Address, count(len(c.Admin.Tokens), "token"))})
	for i := range c.Services {
		s := &c.Services[i]
		for j, pool := range s.Pools {
			kind, name := "", ""
			if j == 0 {
				kind, name = "service", s.Name
			}
			rows = append(rows, []string{kind, name, fmt.Sprintf("%s %s, %s", pool.Name, s.Weights[pool.Name], count(len(pool.Targets), "target"))})
		}
	}
	p.table("lll", rows)
}

func listenerText(l config.Listener) string {
	text := l.Address
	if l.TLS != nil {
		text += ", TLS"
	}
	if l.H2C {
		text += ", h2c"
	}
	if !l.Fast {
		text += ", not fast"
	}
	if l.Pool != "" {
		text += ", always " + l.Pool
	}
	return text
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
