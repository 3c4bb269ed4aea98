package config

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
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
	"network":   parsed(mesh.ParseNetworkName),
	"port":      parsed(mesh.ParsePortName),
	"path":      yamldoc.URLPath,
	"route":     routePath,
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

// name is the rule for all names.
func name(text string) *yamldoc.Problem {
	w := parsed(mesh.ParseServiceName)(text)
	if w != nil {
		w.Message = strings.TrimPrefix(w.Message, "service ")
	}
	return w
}

// nameLike returns the valid name that is nearest to a text.
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

// routePath is the path of a route. An edge normalizes the paths of requests before it routes them (RFC 3986
// section 6.2.2), so a path that is not normal matches nothing.
func routePath(text string) *yamldoc.Problem {
	if p := yamldoc.URLPath(text); p != nil {
		return p
	}
	if i := strings.IndexByte(text, '*'); i >= 0 {
		prefix := CanonicalPath(text[:i])
		return &yamldoc.Problem{Message: fmt.Sprintf("path %q has a *, which matches only itself", text), Expected: "a path; it covers everything below it",
			Hint: fmt.Sprintf("write %s, which covers %s and everything below it", prefix, prefix)}
	}
	normal, why := normalPath(text)
	if why == "" {
		return nil
	}
	p := &yamldoc.Problem{Message: fmt.Sprintf("path %q can never match: %s", text, why), Expected: "a path as it is after normalization"}
	if normal != "" {
		p.Hint = fmt.Sprintf("write %s", normal)
	}
	return p
}

// normalPath returns the normal form of a path and the reason why the path is not normal, or "".
func normalPath(text string) (normal, why string) {
	decoded, err := url.PathUnescape(text)
	switch {
	case err != nil:
		return "", "a % is not followed by two hexadecimal digits"
	case strings.ContainsAny(decoded, "/\\") && strings.Count(decoded, "/")+strings.Count(decoded, "\\") != strings.Count(text, "/"):
		return "", "an edge redirects requests with an encoded slash or backslash"
	}
	normal = unreserved.ReplaceAllStringFunc(text, func(escape string) string {
		decoded, _ := url.PathUnescape(escape)
		return decoded
	})
	if normal != text {
		why = "an edge decodes letters, digits, '-', '.', '_' and '~'"
	}
	if strings.Contains(normal, "//") {
		why = "an edge merges slashes"
	}
	clean := path.Clean(normal)
	if strings.HasSuffix(normal, "/") && clean != "/" {
		clean += "/"
	}
	for segment := range strings.SplitSeq(normal, "/") {
		if segment == "." || segment == ".." {
			why = "an edge resolves the segments . and .."
		}
	}
	return clean, why
}

// unreserved are percent-encoded characters that need no encoding (RFC 3986 section 2.3).
var unreserved = regexp.MustCompile(`%(?i:4[1-9a-f]|5[0-9a]|6[1-9a-f]|7[0-9a]|3[0-9]|2[de]|5f|7e)`)
