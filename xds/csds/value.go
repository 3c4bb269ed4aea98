package csds

import (
	"errors"
	"slices"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// valueMatcher fits a value that is not a struct.
func valueMatcher(m *matcherv3.ValueMatcher) (func(*structpb.Value) bool, error) {
	switch pattern := m.GetMatchPattern().(type) {
	case *matcherv3.ValueMatcher_NullMatch_:
		return func(v *structpb.Value) bool {
			_, null := v.Kind.(*structpb.Value_NullValue)
			return null
		}, nil
	case *matcherv3.ValueMatcher_BoolMatch:
		return func(v *structpb.Value) bool {
			b, ok := v.Kind.(*structpb.Value_BoolValue)
			return ok && b.BoolValue == pattern.BoolMatch
		}, nil
	case *matcherv3.ValueMatcher_PresentMatch:
		return func(v *structpb.Value) bool { return pattern.PresentMatch && v.GetStructValue() == nil }, nil
	case *matcherv3.ValueMatcher_DoubleMatch:
		return func(v *structpb.Value) bool {
			n, ok := v.Kind.(*structpb.Value_NumberValue)
			return ok && numberFits(pattern.DoubleMatch, n.NumberValue)
		}, nil
	case *matcherv3.ValueMatcher_StringMatch:
		fits, err := stringMatcher(pattern.StringMatch)
		return func(v *structpb.Value) bool {
			s, ok := v.Kind.(*structpb.Value_StringValue)
			return ok && fits(s.StringValue)
		}, err
	case *matcherv3.ValueMatcher_ListMatch:
		fits, err := valueMatcher(pattern.ListMatch.GetOneOf())
		return func(v *structpb.Value) bool { return slices.ContainsFunc(v.GetListValue().GetValues(), fits) }, err
	case *matcherv3.ValueMatcher_OrMatch:
		return orMatcher(pattern.OrMatch)
	}
	return nil, errors.New("value has no pattern that is known here")
}

func orMatcher(m *matcherv3.OrMatcher) (func(*structpb.Value) bool, error) {
	var all []func(*structpb.Value) bool
	for _, one := range m.GetValueMatchers() {
		fits, err := valueMatcher(one)
		if err != nil {
			return nil, err
		}
		all = append(all, fits)
	}
	return func(v *structpb.Value) bool {
		return slices.ContainsFunc(all, func(fits func(*structpb.Value) bool) bool { return fits(v) })
	}, nil
}

// numberFits compares with a number, or a range whose end is not in it.
func numberFits(m *matcherv3.DoubleMatcher, n float64) bool {
	if r, ok := m.GetMatchPattern().(*matcherv3.DoubleMatcher_Range); ok {
		return r.Range.GetStart() <= n && n < r.Range.GetEnd()
	}
	return n == m.GetExact()
}
