package config

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// formats are the rules that a format tag can name.
var formats = map[string]yamldoc.Rule{
	"text":      yamldoc.OneLine,
	"name":      name,
	"service":   parsed(mesh.ParseServiceName),
	"port":      parsed(mesh.ParsePortName),
	"path":      yamldoc.URLPath,
	"file":      yamldoc.FilePath,
	"ip":        yamldoc.IPAddress,
	"host":      yamldoc.HostName,
	"hostmatch": yamldoc.HostPattern,
}

// parsed makes a rule of one of mesh's Parse functions, whose errors say what was expected after a colon.
func parsed[T any](parse func(string) (T, error)) yamldoc.Rule {
	return func(text string) *yamldoc.Problem {
		_, err := parse(text)
		if err == nil {
			return nil
		}
		message, expected, _ := strings.Cut(err.Error(), ": want ")
		w := &yamldoc.Problem{Message: message, Expected: expected}
		if better := nameLike(text); better != text {
			if _, err := parse(better); err == nil {
				w.Hint = fmt.Sprintf("did you mean %s?", better)
			}
		}
		return w
	}
}

// name is the form that all names have, whatever they name.
func name(text string) *yamldoc.Problem {
	w := parsed(mesh.ParseServiceName)(text)
	if w != nil {
		w.Message = strings.TrimPrefix(w.Message, "service ")
	}
	return w
}

// nameLike turns what people write for a name into the nearest thing that is one.
func nameLike(text string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsUpper(r):
			return unicode.ToLower(r)
		case r == '_' || r == ' ' || r == '.':
			return '-'
		}
		return r
	}, text), "-")
}
