package xds

import (
	"cmp"
	"slices"
	"strings"
)

// xdstpScheme begins names of the form xdstp://authority/type/id?parameters (C106).
const xdstpScheme = "xdstp://"

func isXdstp(name string) bool { return strings.HasPrefix(name, xdstpScheme) }

// canonicalName returns the one spelling of a name that the engine uses: the context parameters
// of an xdstp name sorted by key, as Envoy and gRPC sort them, its directives left off. Other
// names are opaque. Names are made canonical where they enter the engine: in NewResource, in
// requests, and in the arguments of exported functions.
func canonicalName(name string) string {
	if !isXdstp(name) {
		return name
	}
	name, _, _ = strings.Cut(name, "#")
	path, query, found := strings.Cut(name, "?")
	if !found || query == "" {
		return path
	}
	if !strings.Contains(query, "&") {
		return name
	}
	parameters := strings.Split(query, "&")
	if slices.IsSortedFunc(parameters, compareParameters) {
		return name
	}
	slices.SortFunc(parameters, compareParameters)
	return path + "?" + strings.Join(parameters, "&")
}

func compareParameters(a, b string) int {
	aKey, aValue, _ := strings.Cut(a, "=")
	bKey, bValue, _ := strings.Cut(b, "=")
	return cmp.Or(strings.Compare(aKey, bKey), strings.Compare(aValue, bValue))
}

// globsOf returns the names of the glob collections that a resource of a canonical name is a
// member of: xdstp://authority/type/directory/*?parameters has all resources directly or deeper
// below the directory that have exactly these parameters (C107).
func globsOf(name string) []string {
	if !isXdstp(name) {
		return nil
	}
	path, query, found := strings.Cut(name, "?")
	if found {
		query = "?" + query
	}
	start := len(xdstpScheme)
	for range 2 { // the authority and the type are no directories
		length := strings.IndexByte(path[start:], '/')
		if length < 0 {
			return nil
		}
		start += length + 1
	}
	globs := []string{path[:start] + "*" + query}
	for i := start; i < len(path); i++ {
		if path[i] == '/' {
			globs = append(globs, path[:i+1]+"*"+query)
		}
	}
	return globs
}
