package config

import (
	"fmt"
	"net/netip"
	"path"
	"strings"
	"unicode"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// rule says what is wrong with a text, nil for nothing.
type rule func(text string) *wrong

// formats are the rules that a format tag can name, "" for text without a rule.
var formats = map[string]rule{
	"":          anyText,
	"text":      oneLine,
	"name":      name,
	"path":      urlPath,
	"file":      filePath,
	"ip":        ipAddress,
	"host":      hostName,
	"hostmatch": hostMatch,
}

// parsed makes a rule of one of mesh's Parse functions, whose errors say what was expected after a colon.
func parsed[T any](parse func(string) (T, error)) rule {
	return func(text string) *wrong {
		_, err := parse(text)
		if err == nil {
			return nil
		}
		message, expected, _ := strings.Cut(err.Error(), ": want ")
		w := &wrong{message: message, expected: expected}
		if better := nameLike(text); better != text {
			if _, err := parse(better); err == nil {
				w.hint = fmt.Sprintf("did you mean %s?", better)
			}
		}
		return w
	}
}

// name is the form that all names have, whatever they name.
func name(text string) *wrong {
	w := parsed(mesh.ParseServiceName)(text)
	if w != nil {
		w.message = strings.TrimPrefix(w.message, "service ")
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

// oneOf is the rule of a closed set of words. refusal is what the message says before another word.
func oneOf(refusal string, words []string) rule {
	return func(text string) *wrong {
		for _, w := range words {
			if w == text {
				return nil
			}
		}
		return &wrong{
			message:  fmt.Sprintf("%s %q", refusal, text),
			expected: "one of " + strings.Join(words, ", "),
			hint:     didYouMean(text, words),
		}
	}
}

func anyText(string) *wrong { return nil }

func oneLine(text string) *wrong {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return &wrong{message: fmt.Sprintf("%q holds a control character", text), expected: "one line of text"}
	}
	return nil
}

func urlPath(text string) *wrong {
	const expected = "a path that begins with /, without query and fragment"
	switch {
	case !strings.HasPrefix(text, "/"):
		return &wrong{fmt.Sprintf("path %q does not begin with /", text), expected, fmt.Sprintf("did you mean /%s?", text)}
	case strings.ContainsAny(text, "?#") || strings.ContainsFunc(text, notURL):
		return &wrong{message: fmt.Sprintf("path %q has a character that no path has", text), expected: expected}
	}
	return nil
}

// notURL reports whether r must be percent-encoded in a URL (RFC 3986 section 2).
func notURL(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", r) }

// filePath checks the form only: the file is on another host.
func filePath(text string) *wrong {
	if !path.IsAbs(text) || strings.ContainsRune(text, 0) {
		return &wrong{message: fmt.Sprintf("file %q is not an absolute path", text), expected: "an absolute path on the proxy's own host, such as /etc/doyen/tls/shop.pem"}
	}
	return nil
}

func ipAddress(text string) *wrong {
	const expected = "an IPv4 or IPv6 address without a port"
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return nil
	}
	w := &wrong{message: fmt.Sprintf("%q is not an IP address", text), expected: expected}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		w.hint = fmt.Sprintf("write %s here and the port in the field port", ap.Addr())
	}
	return w
}

// hostName is a DNS name as one may look it up (RFC 1123 section 2.1): labels of letters, digits and
// hyphens, not an IP address.
func hostName(text string) *wrong {
	const expected = "a DNS name, such as db.example.com"
	if _, err := netip.ParseAddr(text); err == nil {
		return &wrong{fmt.Sprintf("host %q is an IP address", text), expected, "IP addresses stand in the field addresses"}
	}
	if isDNS(text) {
		return nil
	}
	w := &wrong{message: fmt.Sprintf("host %q is not a DNS name", text), expected: expected}
	if host, port := bareHost(text); host != "" && port != "" {
		w.hint = fmt.Sprintf("write %s here and %s in the field port", host, port)
	} else if host != "" {
		w.hint = fmt.Sprintf("did you mean %s?", host)
	}
	return w
}

// bareHost takes host and port out of an address or a URL, "" where there is none.
func bareHost(text string) (host, port string) {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		text = rest
	}
	text, _, _ = strings.Cut(text, "/")
	if host, port, _ = strings.Cut(text, ":"); !isDNS(host) {
		return "", ""
	}
	return host, port
}

func isDNS(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notDNS) {
			return false
		}
	}
	return true
}

func notDNS(r rune) bool {
	return r != '-' && r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
}

// hostMatch is a host of a route: a DNS name or IPv4 address in lower case, *. before one, or * alone.
func hostMatch(text string) *wrong {
	const expected = "a host without a port, such as shop.example.com, *.example.com or *"
	name := strings.TrimPrefix(text, "*.")
	switch {
	case text == "*":
		return nil
	case text != strings.ToLower(text):
		return &wrong{fmt.Sprintf("host %q has capitals", text), expected, "write " + strings.ToLower(text)}
	case isDNS(name):
		return nil
	}
	w := &wrong{message: fmt.Sprintf("host %q is not a host", text), expected: expected}
	if host, _ := bareHost(text); host != "" {
		w.hint = fmt.Sprintf("did you mean %s? A route holds for every port and scheme", host)
	}
	return w
}
