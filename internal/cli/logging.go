package cli

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doyen-mesh/doyen/internal/printable"
)

// logging is how a long-running command logs to standard error.
type logging struct {
	level  slog.Level
	format string
}

// add adds the flags to cmd.
func (l *logging) add(cmd *cobra.Command) {
	l.format = "text"
	cmd.Flags().Var(&textValue[slog.Level]{
		to: &l.level, kind: "level", show: func(v slog.Level) string { return strings.ToLower(v.String()) },
		parse: func(s string) (v slog.Level, err error) {
			if err := v.UnmarshalText([]byte(s)); err != nil {
				return v, fmt.Errorf("want debug, info, warn or error")
			}
			return v, nil
		},
	}, "log-level", "log level: debug, info, warn or error")
	cmd.Flags().Var(nameValue(&l.format, "format", func(s string) (string, error) {
		if s != "text" && s != "json" {
			return "", fmt.Errorf("want text or json")
		}
		return s, nil
	}), "log-format", "log format: text or json")
	fromEnvironment(cmd, "log-level", "DOYEN_LOG_LEVEL")
	fromEnvironment(cmd, "log-format", "DOYEN_LOG_FORMAT")
}

// printableJSON writes JSON without characters that a terminal interprets. slog's text format quotes values with such
// characters itself.
type printableJSON struct{ to io.Writer }

func (w printableJSON) Write(p []byte) (int, error) {
	if _, err := w.to.Write(printable.JSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// logger returns the logger that the flags select.
func (l *logging) logger(i Invocation) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.level}
	if l.format == "json" {
		return slog.New(slog.NewJSONHandler(printableJSON{i.Stderr}, options))
	}
	return slog.New(slog.NewTextHandler(i.Stderr, options))
}
