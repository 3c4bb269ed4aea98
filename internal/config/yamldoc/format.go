package yamldoc

import (
	"fmt"
	"net/netip"
	"path"
	"strings"
	"unicode"

	"github.com/doyen-mesh/doyen/internal/suggest"
)

// OneOf is the rule of a closed set of words. refusal is what the message says before another word.
func OneOf(refusal string, words []string) Rule {
	return func(text string) *Problem {
		for _, w := range words {
			if w == text {
				return nil
			}
		}
		return &Problem{
			Message:  fmt.Sprintf("%s %q", refusal, text),
			Expected: "one of " + strings.Join(words, ", "),
			Hint:     suggest.DidYouMean(text, words),
		}
	}
}

// OneLine is the rule of text without control characters.
func OneLine(text string) *Problem {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return &Problem{Message: fmt.Sprintf("%q holds a control character", text), Expected: "one line of text"}
	}
	return nil
}

// URLPath is the rule of the path of a URL, without query and fragment (RFC 3986 section 3.3).
func URLPath(text string) *Problem {
	const expected = "a path that begins with /, without query and fragment"
	switch {
	case !strings.HasPrefix(text, "/"):
		return &Problem{Message: fmt.Sprintf("path %q does not begin with /", text), Expected: expected, Hint: fmt.Sprintf("did you mean /%s?", text)}
	case strings.ContainsAny(text, "?#") || strings.ContainsFunc(text, notURL):
		return &Problem{Message: fmt.Sprintf("path %q has a character that no path has", text), Expected: expected}
	}
	return nil
}

// notURL reports whether r must be percent-encoded in a URL (RFC 3986 section 2).
func notURL(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", r) }

// FilePath is the rule of an absolute path. Only its form is checked: the file is on another host.
func FilePath(text string) *Problem {
	if !path.IsAbs(text) || strings.ContainsRune(text, 0) {
		return &Problem{Message: fmt.Sprintf("file %q is not an absolute path", text), Expected: "an absolute path on the proxy's own host, such as /etc/doyen/tls/shop.pem"}
	}
	return nil
}

// IPAddress is the rule of an IPv4 or IPv6 address without port and zone.
func IPAddress(text string) *Problem {
	const expected = "an IPv4 or IPv6 address without a port"
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return nil
	}
	w := &Problem{Message: fmt.Sprintf("%q is not an IP address", text), Expected: expected}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		w.Hint = fmt.Sprintf("write %s here and the port in the field port", ap.Addr())
	}
	return w
}

// HostName is the rule of a DNS name that can be looked up (RFC 1123 section 2.1): labels of letters, digits,
// hyphens and underscores, not an IP address.
func HostName(text string) *Problem {
	const expected = "a DNS name, such as db.example.com"
	if _, err := netip.ParseAddr(text); err == nil {
		return &Problem{Message: fmt.Sprintf("host %q is an IP address", text), Expected: expected, Hint: "IP addresses belong in the field addresses"}
	}
	if isDNS(text) {
		return nil
	}
	w := &Problem{Message: fmt.Sprintf("host %q is not a DNS name", text), Expected: expected}
	if host, port := bareHost(text); host != "" && port != "" {
		w.Hint = fmt.Sprintf("write %s here and %s in the field port", host, port)
	} else if host != "" {
		w.Hint = fmt.Sprintf("did you mean %s?", host)
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

// HostPattern is the rule of a host of a route: a DNS name or IPv4 address in lower case, *. before one, or * alone.
func HostPattern(text string) *Problem {
	const expected = "a host without a port, such as shop.example.com, *.example.com or *"
	name := strings.TrimPrefix(text, "*.")
	switch {
	case text == "*":
		return nil
	case text != strings.ToLower(text):
		return &Problem{Message: fmt.Sprintf("host %q has capitals", text), Expected: expected, Hint: "write " + strings.ToLower(text)}
	case isDNS(name):
		return nil
	}
	w := &Problem{Message: fmt.Sprintf("host %q is not a host", text), Expected: expected}
	if host, _ := bareHost(text); host != "" {
		w.Hint = fmt.Sprintf("did you mean %s? A route holds for every port and scheme", host)
	}
	return w
}
