package xds

import (
	"slices"
	"strings"
)

// xdstpScheme begins names of the form xdstp://authority/type/id?parameters (C106).
const xdstpScheme = "xdstp://"

func isXdstp(name string) bool { return strings.HasPrefix(name, xdstpScheme) }

// canonicalName returns the spelling under which names are compared: the context parameters
// of an xdstp name sorted, its directives left off. Other names are opaque.
func canonicalName(name string) string {
	if !isXdstp(name) {
		return name
	}
	name, _, _ = strings.Cut(name, "#")
	path, query, found := strings.Cut(name, "?")
	if !found || query == "" {
		return path
	}
	parameters := strings.Split(query, "&")
	if slices.IsSorted(parameters) {
		return path + "?" + query
	}
	slices.Sort(parameters)
	return path + "?" + strings.Join(parameters, "&")
}

// glob is a glob collection, xdstp://authority/type/directory/*?parameters: all resources
// directly or deeper below the directory that have exactly these parameters (C107).
type glob struct{ prefix, query string }

func parseGlob(name string) (glob, bool) {
	if !isXdstp(name) {
		return glob{}, false
	}
	path, query, _ := strings.Cut(canonicalName(name), "?")
	prefix, isGlob := strings.CutSuffix(path, "/*")
	return glob{prefix + "/", query}, isGlob
}

func (g glob) matches(name string) bool {
	if !strings.HasPrefix(name, g.prefix) {
		return false
	}
	_, query, _ := strings.Cut(canonicalName(name), "?")
	return query == g.query
}

// findCanonical returns the resource whose canonical name is name, or any member of the
// glob collection of that name.
func (t *table) findCanonical(name string) *Resource {
	g, isGlob := parseGlob(name)
	for r := range t.all() {
		if isXdstp(r.name) && (canonicalName(r.name) == name || isGlob && g.matches(r.name)) {
			return r
		}
	}
	return nil
}
