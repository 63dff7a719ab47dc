package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/admin/api"
	"gopkg.in/yaml.v3"
)

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Show the configuration in effect, with every default and without secrets",
		Long: "Show the configuration in effect as YAML that a file could have, or with --output json. Every default is written out.\n" +
			"Secrets are named by their files, and of addresses that are called only scheme and host are shown.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			c, err := a.client()
			if err != nil {
				return err
			}
			shown, err := c.EffectiveConfig(ctx)
			if err != nil {
				return err
			}
			text, err := configText(shown)
			if err != nil {
				return err
			}
			return a.show(cmd, shown, func(p *page) { fmt.Fprint(p, text) })
		},
	}
}

// configText is a configuration as YAML, in the order in which the server names its keys.
func configText(shown api.ConfigShown) (string, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(shown.Config, &doc); err != nil {
		return "", fmt.Errorf("read the configuration: %w", err)
	}
	restyle(&doc)
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s in force since %s, digest %s\n", clean(shown.File), shown.LoadedAt.UTC().Format("2006-01-02T15:04:05Z"), short(clean(shown.Digest)))
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	return b.String(), e.Close()
}

// switchWords are text to some readers of YAML and true or false to others.
var switchWords = []string{"on", "off", "yes", "no", "y", "n"}

// maxFlow is how many entries of words and numbers stand on one line.
const maxFlow = 8

// restyle gives JSON the looks of YAML: what is small stays on a line, text loses the quotes it does not need.
func restyle(n *yaml.Node) {
	small := len(n.Content) <= 2*maxFlow
	for _, c := range n.Content {
		restyle(c)
		small = small && c.Kind == yaml.ScalarNode
	}
	if n.Kind == yaml.ScalarNode && slices.Contains(switchWords, strings.ToLower(n.Value)) {
		return // quoted, as JSON has it
	}
	n.Style = 0
	if small && (n.Kind == yaml.MappingNode || n.Kind == yaml.SequenceNode) {
		n.Style = yaml.FlowStyle
	}
}
