package main

import (
	"github.com/spf13/cobra"
	"github.com/switchback-proxy/switchback/config"
)

func schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file, for editors",
		Long: `Print the JSON Schema (draft-07) of the configuration file. An editor with a YAML language server completes and
checks a file whose first line is

  # yaml-language-server: $schema=./switchback.schema.json

What is beyond a schema, such as sums and references, switchback check tells.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}
