package csds

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doyen-mesh/doyen/xds"
)

// anyOf returns what says whether any of the matchers fits a node; all nodes fit no matchers.
func anyOf(matchers []*matcherv3.NodeMatcher) (func(*xds.Node) bool, error) {
	if len(matchers) == 0 {
		return nil, nil
	}
	var all []func(*xds.Node) bool
	for i, m := range matchers {
		fits, err := nodeMatcher(m)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", i, err)
		}
		all = append(all, fits)
	}
	return func(n *xds.Node) bool {
		return slices.ContainsFunc(all, func(fits func(*xds.Node) bool) bool { return fits(n) })
	}, nil
}

// nodeMatcher fits where the ID and each condition on the metadata do.
func nodeMatcher(m *matcherv3.NodeMatcher) (func(*xds.Node) bool, error) {
	id := func(string) bool { return true }
	if m.NodeId != nil {
		var err error
		if id, err = stringMatcher(m.NodeId); err != nil {
			return nil, fmt.Errorf("node_id: %w", err)
		}
	}
	var metadata []func(*structpb.Value) bool
	for i, s := range m.NodeMetadatas {
		fits, err := structMatcher(s)
		if err != nil {
			return nil, fmt.Errorf("node_metadatas %d: %w", i, err)
		}
		metadata = append(metadata, fits)
	}
	return func(n *xds.Node) bool {
		for _, fits := range metadata {
			if !fits(structpb.NewStructValue(n.Proto.GetMetadata())) {
				return false
			}
		}
		return id(n.ID)
	}, nil
}

// structMatcher fits a struct that has a value which fits where the path leads.
func structMatcher(m *matcherv3.StructMatcher) (func(*structpb.Value) bool, error) {
	fits, err := valueMatcher(m.GetValue())
	if err != nil {
		return nil, err
	}
	return func(v *structpb.Value) bool {
		for _, segment := range m.GetPath() {
			v = v.GetStructValue().GetFields()[segment.GetKey()]
		}
		return v != nil && fits(v)
	}, nil
}

// stringMatcher fits whole strings; a regular expression has to fit the whole, too, and ignores ignore_case.
func stringMatcher(m *matcherv3.StringMatcher) (func(string) bool, error) {
	fold := func(s string) string { return s }
	if m.IgnoreCase {
		fold = strings.ToLower
	}
	compare := func(with func(s, pattern string) bool, pattern string) (func(string) bool, error) {
		pattern = fold(pattern)
		return func(s string) bool { return with(fold(s), pattern) }, nil
	}
	switch pattern := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		return compare(func(s, p string) bool { return s == p }, pattern.Exact)
	case *matcherv3.StringMatcher_Prefix:
		return compare(strings.HasPrefix, pattern.Prefix)
	case *matcherv3.StringMatcher_Suffix:
		return compare(strings.HasSuffix, pattern.Suffix)
	case *matcherv3.StringMatcher_Contains:
		return compare(strings.Contains, pattern.Contains)
	case *matcherv3.StringMatcher_SafeRegex:
		expression, err := regexp.Compile(`^(?:` + pattern.SafeRegex.GetRegex() + `)$`)
		if err != nil {
			return nil, err
		}
		return expression.MatchString, nil
	}
	return nil, errors.New("string has no pattern that is known here")
}
