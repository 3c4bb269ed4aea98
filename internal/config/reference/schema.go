// Package reference writes down the format of documents, for editors as a JSON Schema and for people as
// a page of Markdown. Its one invariant: both are made from the types that the decoder uses, and say nothing
// else.
package reference

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
)

// schema is a JSON Schema, draft 2020-12; of its vocabulary, what documents need.
type schema struct {
	Schema      string            `json:"$schema,omitempty"`
	ID          string            `json:"$id,omitempty"`
	Ref         string            `json:"$ref,omitempty"`
	Title       string            `json:"title,omitempty"`
	Description string            `json:"description,omitempty"`
	Type        string            `json:"type,omitempty"`
	Const       any               `json:"const,omitempty"`
	Enum        []string          `json:"enum,omitempty"`
	Pattern     string            `json:"pattern,omitempty"`
	Minimum     *int              `json:"minimum,omitempty"`
	Maximum     *int              `json:"maximum,omitempty"`
	Default     any               `json:"default,omitempty"`
	Examples    []any             `json:"examples,omitempty"`
	Properties  map[string]schema `json:"properties,omitempty"`
	Required    []string          `json:"required,omitempty"`
	Additional  *bool             `json:"additionalProperties,omitempty"`
	Items       *schema           `json:"items,omitempty"`
	MinItems    int               `json:"minItems,omitempty"`
	Unique      bool              `json:"uniqueItems,omitempty"`
	AnyOf       []schema          `json:"anyOf,omitempty"`
	AllOf       []schema          `json:"allOf,omitempty"`
	If          *schema           `json:"if,omitempty"`
	Then        *schema           `json:"then,omitempty"`
	Defs        map[string]schema `json:"$defs,omitempty"`
}

//go:generate go test . -run TestGeneratedFiles -update

// URL is where editors find the schema of the newest release.
const URL = "https://raw.githubusercontent.com/doyen-mesh/doyen/main/docs/reference/schema.json"

// Schema returns the JSON Schema of a document of any kind. It describes single documents: only doyen validate
// checks what they say about each other.
func Schema() []byte { return bytes.Clone(generated) }

// generated is what GenerateSchema returned at the last go generate. It is stored because the prose in it comes
// from Go source, which is not at hand at run time.
//
//go:embed schema.json
var generated []byte

// GenerateSchema makes the schema from the types. docs holds the prose, as [yamldoc.Describe] takes it.
func GenerateSchema(docs map[string]string) []byte {
	kinds, groups := yamldoc.Describe(docs, config.Kinds()...)
	root := schema{
		Schema:     "https://json-schema.org/draft/2020-12/schema",
		ID:         URL,
		Title:      "A document of a doyen mesh",
		Type:       "object",
		Required:   []string{"kind"},
		Properties: map[string]schema{"kind": {Description: "What the document describes."}},
		Defs:       map[string]schema{},
	}
	kind := root.Properties["kind"]
	for _, k := range kinds {
		kind.Enum = append(kind.Enum, k.Name)
		root.Defs[k.Name] = object(k, k.Name)
		root.AllOf = append(root.AllOf, schema{
			If:   &schema{Properties: map[string]schema{"kind": {Const: k.Name}}, Required: []string{"kind"}},
			Then: &schema{Ref: "#/$defs/" + k.Name},
		})
	}
	root.Properties["kind"] = kind
	for _, g := range groups {
		root.Defs[g.Name] = group(g)
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // a schema is plain values
	}
	return append(text, '\n')
}

// group is a group of fields, or the text that may stand for it.
func group(g yamldoc.Group) schema {
	o := object(g, "")
	if g.Short == nil {
		return o
	}
	forms := []schema{}
	for _, f := range g.Fields {
		if f.Name == g.Short.Field {
			forms = append(forms, single(f))
		}
	}
	if g.Short.Pattern != "" {
		forms = append(forms, schema{Type: "string", Pattern: g.Short.Pattern})
	}
	o.Description = ""
	return schema{Description: g.Doc, AnyOf: append(forms, o)}
}

// object is a group of fields; kind is the kind of document that it is, "" for none.
func object(g yamldoc.Group, kind string) schema {
	o := schema{Description: g.Doc, Type: "object", Properties: map[string]schema{}, Additional: new(bool)}
	for _, f := range g.Fields {
		p := property(f)
		if f.Name == "kind" && kind != "" {
			p.Const, p.Examples = kind, nil
		}
		o.Properties[f.Name] = p
		if f.Required {
			o.Required = append(o.Required, f.Name)
		}
	}
	return o
}

// property is a field with all that is known of it. What fits no keyword is said in words.
func property(f yamldoc.Field) schema {
	p := single(f)
	if f.List {
		item := p
		p = schema{AnyOf: []schema{{Type: "array", Items: &item, MinItems: 1, Unique: f.Group == ""}, item}}
	}
	p.Description = f.Doc
	if f.Type == yamldoc.Span {
		p.Description += " From " + f.Low + " to " + f.High + "."
	}
	if f.Unit != "" {
		p.Description += " In " + f.Unit + "."
	}
	if f.Unset != "" {
		p.Description += " Default: " + f.Unset + "."
	}
	p.Default = literal(f.Default)
	if example := literal(f.Example); example != nil {
		p.Examples = []any{example}
	}
	return p
}

// single is what one value of a field may be.
func single(f yamldoc.Field) schema {
	switch f.Type {
	case yamldoc.Object:
		return schema{Ref: "#/$defs/" + f.Group}
	case yamldoc.Number:
		return schema{Type: "integer", Minimum: integer(f.Low), Maximum: integer(f.High)}
	case yamldoc.Switch:
		return schema{Type: "boolean"}
	case yamldoc.Word:
		return schema{Type: "string", Enum: f.Words}
	case yamldoc.Span:
		return schema{Type: "string", Pattern: `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`}
	default:
		return schema{Type: "string", Pattern: patterns[f.Format]}
	}
}

// name is the form of all names.
const name = `^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`

// patterns are the rules of text that a regular expression can hold; the decoder's are stricter.
var patterns = map[string]string{
	"name":      name,
	"service":   name,
	"network":   name,
	"port":      name,
	"path":      `^/[^?#\s]*$`,
	"route":     `^/[^?#*\s]*$`,
	"file":      `^/`,
	"ip":        `^(([0-9]+\.){3}[0-9]+|[0-9a-fA-F.]*:[0-9a-fA-F:.]*)$`,
	"host":      `^[A-Za-z0-9_.-]*[A-Za-z][A-Za-z0-9_.-]*$`,
	"hostmatch": `^(\*|(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?)$`,
}

func integer(text string) *int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil
	}
	return &n
}

// literal is a value in YAML as JSON has it, nil where it has parts: those are shown by the parts' own examples.
func literal(text string) any {
	switch {
	case text == "" || strings.HasPrefix(text, "{"):
		return nil
	case strings.HasPrefix(text, "["):
		return elements(text)
	case text == "true" || text == "false":
		return text == "true"
	}
	if n := integer(text); n != nil {
		return *n
	}
	return text
}

// elements are the items of a list of plain values, nil for others.
func elements(text string) any {
	var items []any
	for item := range strings.SplitSeq(strings.Trim(text, "[]"), ", ") {
		if strings.ContainsAny(item, "{}") {
			return nil
		}
		items = append(items, literal(strings.Trim(item, "'")))
	}
	return items
}
