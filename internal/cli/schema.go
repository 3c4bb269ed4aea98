package cli

import (
	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/config/reference"
)

func (i Invocation) schema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the documents, for completion and checks in editors",
		Long: `Print the JSON Schema of the documents. Editors use it to complete and check them.

An editor with a YAML language server finds the schema by a comment on the first line of a document:
  # yaml-language-server: $schema=doyen.schema.json`,
		Example: "  doyen schema > doyen.schema.json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := i.Stdout.Write(reference.Schema())
			return err
		},
	}
}
