package config

import (
	"embed"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// sources are the files whose doc comments are the prose of the reference: the comments have one home.
//
//go:embed document.go mesh.go service.go edge.go external.go traffic.go
var sources embed.FS

// Group describes a kind of document, or a group of fields inside of documents.
type Group struct {
	Name   string // the Go type's, which is also the kind's
	Doc    string
	Short  *Short // nil when it has no short form
	Fields []Field
}

// Short describes the text that may stand for a group.
type Short struct {
	Words   string
	Field   string // it may be what this field of the group may be
	Pattern string // or match this pattern; "" for none
}

// Field describes one field. Absent parts are "".
type Field struct {
	Name     string
	Doc      string
	Type     Type
	Group    string // of Object: what is inside
	List     bool   // several are allowed, or one alone
	Required bool
	Default  string // as in YAML
	Low      string // the lowest value
	High     string // the highest value
	Unit     string
	Words    []string // of Word: all that are allowed
	Format   string   // of Text: the rule, by its name in format tags; names are "name"
	Example  string   // as in YAML
}

// Type is what a field takes.
type Type string

// The types of fields.
const (
	Text   Type = "text"
	Word   Type = "word"
	Number Type = "number"
	Span   Type = "duration"
	Switch Type = "true or false"
	Object Type = "fields"
)

// Describe returns every kind of document, in the order of the reference, and after them the groups that
// they are made of, in the order in which they first appear.
func Describe() (kinds, groups []Group) {
	docs := docComments()
	var types []reflect.Type
	for _, k := range documentKinds {
		types = append(types, reflect.TypeOf(k.make()).Elem())
	}
	seen := map[string]bool{}
	for i := 0; i < len(types); i++ { // types grows
		if seen[types[i].Name()] {
			continue
		}
		seen[types[i].Name()] = true
		g := describe(types[i], docs)
		for _, f := range fieldsOf(types[i]) {
			if inner := core(f.Type); inner.Kind() == reflect.Struct {
				types = append(types, inner)
			}
		}
		if i < len(documentKinds) {
			kinds = append(kinds, g)
		} else {
			groups = append(groups, g)
		}
	}
	return kinds, groups
}

// core is the type of a field without pointer and list.
func core(t reflect.Type) reflect.Type {
	t = deref(t)
	if t.Kind() == reflect.Slice {
		t = deref(t.Elem())
	}
	return t
}

func describe(t reflect.Type, docs map[string]string) Group {
	g := Group{Name: t.Name(), Doc: docs[t.Name()]}
	if s, ok := reflect.New(t).Interface().(shorthand); ok {
		g.Short = &Short{s.short().words, s.short().field, s.short().pattern}
	}
	for _, f := range fieldsOf(t) {
		owner := t.Name()
		if _, own := docs[owner+"."+f.StructField.Name]; !own {
			owner = "Header"
		}
		g.Fields = append(g.Fields, f.describe(docs[owner+"."+f.StructField.Name]))
	}
	return g
}

func (f field) describe(doc string) Field {
	d := Field{
		Name: f.name, Doc: doc, List: f.Type.Kind() == reflect.Slice, Required: f.required,
		Default: f.Tag.Get("default"), Unit: f.Tag.Get("unit"), Example: f.Tag.Get("example"), Format: f.format, Words: f.words,
	}
	d.Low, d.High, _ = strings.Cut(f.bounds.text, "-")
	if strings.Contains(d.Default, ",") {
		d.Default = "[" + strings.Join(list(d.Default), ", ") + "]"
	}
	switch t := core(f.Type); {
	case t == reflect.TypeFor[Duration]():
		d.Type = Span
	case t == reflect.TypeFor[mesh.Protocol]():
		d.Type, d.Words = Word, protocols()
	case t == reflect.TypeFor[mesh.ServiceName](), t == reflect.TypeFor[mesh.PortName]():
		d.Type, d.Format = Text, "name"
	case t.Kind() == reflect.Struct:
		d.Type, d.Group = Object, t.Name()
	case t.Kind() == reflect.Int:
		d.Type = Number
	case t.Kind() == reflect.Bool:
		d.Type = Switch
	case f.words != nil:
		d.Type = Word
	default:
		d.Type = Text
	}
	return d
}

// docComments reads the doc comments of types and their fields, by "Type" and "Type.Field", each as one line.
func docComments() map[string]string {
	docs := map[string]string{}
	entries, _ := sources.ReadDir(".")
	for _, e := range entries {
		text, _ := sources.ReadFile(e.Name())
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), text, parser.ParseComments)
		if err != nil {
			panic(err) // it has been compiled
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				addTypeDoc(docs, g)
			}
		}
	}
	return docs
}

func addTypeDoc(docs map[string]string, g *ast.GenDecl) {
	spec := g.Specs[0].(*ast.TypeSpec)
	docs[spec.Name.Name] = oneLineOf(g.Doc)
	fields, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			docs[spec.Name.Name+"."+name.Name] = oneLineOf(f.Doc)
		}
	}
}

func oneLineOf(comment *ast.CommentGroup) string {
	return strings.Join(strings.Fields(comment.Text()), " ")
}
