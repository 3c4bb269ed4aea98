package csds

import (
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/xds"
)

const node = `{"id": "web-1", "metadata": {
	"zone": "a", "weight": 3.5, "canary": true, "nothing": null, "tags": ["x", "y"], "build": {"commit": "c0ffee"}
}}`

func TestNodeMatcher(t *testing.T) {
	tests := map[string]struct {
		matcher string
		want    bool
	}{
		"nothing said":                     {`{}`, true},
		"exact":                            {`{"node_id": {"exact": "web-1"}}`, true},
		"exact is not a prefix":            {`{"node_id": {"exact": "web"}}`, false},
		"prefix":                           {`{"node_id": {"prefix": "web"}}`, true},
		"suffix":                           {`{"node_id": {"suffix": "-1"}}`, true},
		"contains":                         {`{"node_id": {"contains": "b-"}}`, true},
		"case counts":                      {`{"node_id": {"prefix": "WEB"}}`, false},
		"case ignored":                     {`{"node_id": {"prefix": "WEB", "ignore_case": true}}`, true},
		"regex":                            {`{"node_id": {"safe_regex": {"regex": "web-[0-9]"}}}`, true},
		"regex fits the whole":             {`{"node_id": {"safe_regex": {"regex": "web|x"}}}`, false},
		"metadata":                         {metadata(`"zone"`, `{"string_match": {"exact": "a"}}`), true},
		"other metadata":                   {metadata(`"zone"`, `{"string_match": {"exact": "b"}}`), false},
		"below":                            {metadata(`"build", "commit"`, `{"string_match": {"prefix": "c0"}}`), true},
		"a path that leads nowhere":        {metadata(`"build", "nobody", "x"`, `{"present_match": true}`), false},
		"present":                          {metadata(`"zone"`, `{"present_match": true}`), true},
		"a struct is no value":             {metadata(`"build"`, `{"present_match": true}`), false},
		"null":                             {metadata(`"nothing"`, `{"null_match": {}}`), true},
		"not null":                         {metadata(`"zone"`, `{"null_match": {}}`), false},
		"bool":                             {metadata(`"canary"`, `{"bool_match": true}`), true},
		"other bool":                       {metadata(`"canary"`, `{"bool_match": false}`), false},
		"number":                           {metadata(`"weight"`, `{"double_match": {"exact": 3.5}}`), true},
		"range":                            {metadata(`"weight"`, `{"double_match": {"range": {"start": 3.5, "end": 4}}}`), true},
		"a range ends before its end":      {metadata(`"weight"`, `{"double_match": {"range": {"start": 3, "end": 3.5}}}`), false},
		"one of a list":                    {metadata(`"tags"`, `{"list_match": {"one_of": {"string_match": {"exact": "y"}}}}`), true},
		"none of a list":                   {metadata(`"tags"`, `{"list_match": {"one_of": {"string_match": {"exact": "z"}}}}`), false},
		"or":                               {metadata(`"zone"`, `{"or_match": {"value_matchers": [{"null_match": {}}, {"string_match": {"exact": "a"}}]}}`), true},
		"neither":                          {metadata(`"zone"`, `{"or_match": {"value_matchers": [{"null_match": {}}, {"bool_match": true}]}}`), false},
		"the ID is right and metadata not": {strings.Replace(metadata(`"zone"`, `{"null_match": {}}`), "{", `{"node_id": {"exact": "web-1"}, `, 1), false},
		"metadata is right and the ID not": {strings.Replace(metadata(`"zone"`, `{"present_match": true}`), "{", `{"node_id": {"exact": "x"}, `, 1), false},
	}
	var said corev3.Node
	decode(t, node, &said)
	n := &xds.Node{ID: said.Id, Proto: &said}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var m matcherv3.NodeMatcher
			decode(t, test.matcher, &m)
			fits, err := anyOf([]*matcherv3.NodeMatcher{&m})
			if err != nil {
				t.Fatal(err)
			}
			if got := fits(n); got != test.want {
				t.Errorf("fits is %t", got)
			}
			if fits(&xds.Node{}) && test.matcher != `{}` {
				t.Error("fits a node that says nothing of itself")
			}
		})
	}
}

// metadata is a matcher of the value that path leads to.
func metadata(path, value string) string {
	path = `{"key": ` + strings.Join(strings.Split(path, ", "), `}, {"key": `) + `}`
	return `{"node_metadatas": [{"path": [` + path + `], "value": ` + value + `}]}`
}

func TestBadMatchers(t *testing.T) {
	tests := map[string]struct{ matcher, want string }{
		"no string pattern": {`{"node_id": {}}`, "0: node_id: string has no pattern that is known here"},
		"an extension":      {`{"node_id": {"custom": {"name": "x"}}}`, "0: node_id: string has no pattern that is known here"},
		"a broken regex":    {`{"node_id": {"safe_regex": {"regex": "("}}}`, "0: node_id: error parsing regexp: missing closing ): `^(?:()$`"},
		"no value":          {metadata(`"zone"`, `{}`), "0: node_metadatas 0: value has no pattern that is known here"},
		"no value in or":    {metadata(`"zone"`, `{"or_match": {"value_matchers": [{}]}}`), "0: node_metadatas 0: value has no pattern that is known here"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var m matcherv3.NodeMatcher
			decode(t, test.matcher, &m)
			if _, err := anyOf([]*matcherv3.NodeMatcher{&m}); err == nil || err.Error() != test.want {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}

func decode(t *testing.T, text string, m proto.Message) {
	t.Helper()
	if err := protojson.Unmarshal([]byte(text), m); err != nil {
		t.Fatal(err)
	}
}
