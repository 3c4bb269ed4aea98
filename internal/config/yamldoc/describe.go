package yamldoc

import (
	"reflect"
	"slices"
	"strings"
)

// Group describes a kind of document, or a group of fields inside of documents.
type Group struct {
	Name   string // the Go type's, which is also the kind's
	Doc    string
	Short  *Short // nil when it has no short form
	Fields []Field
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
	Unset    string // what holds without the field, in words, if that is no value of the field
	Low      string // the lowest value
	High     string // the highest value
	Unit     string
	Words    []string // of Word: all that are allowed
	Format   string   // of Text: the rule, by its name in format tags
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

// Describe describes kinds, which are structs, in their order. groups are the structs that they are made of, in the
// order in which they first appear. docs holds the prose: the doc comments of types and of their fields, by
// "Type" and "Type.Field".
func Describe(docs map[string]string, kinds ...reflect.Type) (described, groups []Group) {
	types := slices.Clone(kinds)
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
		if i < len(kinds) {
			described = append(described, g)
		} else {
			groups = append(groups, g)
		}
	}
	return described, groups
}

func describe(t reflect.Type, docs map[string]string) Group {
	g := Group{Name: t.Name(), Doc: docs[t.Name()]}
	if s, ok := reflect.New(t).Interface().(Shorthand); ok {
		short := s.Short()
		g.Short = &short
	}
	for _, f := range fieldsOf(t) {
		g.Fields = append(g.Fields, f.describe(docs[f.owner.Name()+"."+f.StructField.Name]))
	}
	return g
}

func (f field) describe(doc string) Field {
	d := Field{
		Name: f.name, Doc: doc, List: valueType(f.Type).Kind() == reflect.Slice, Required: f.required,
		Default: f.Tag.Get("default"), Unset: f.unset, Unit: f.Tag.Get("unit"), Example: f.Tag.Get("example"), Format: f.format, Words: f.words,
	}
	d.Low, d.High, _ = strings.Cut(f.bounds.text, "-")
	if strings.Contains(d.Default, ",") {
		d.Default = "[" + strings.Join(list(d.Default), ", ") + "]"
	}
	switch t := core(f.Type); {
	case t == reflect.TypeFor[Duration]():
		d.Type = Span
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
