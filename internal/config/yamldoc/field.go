package yamldoc

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A field's struct tags say all that is known of it but its prose, which is its doc comment:
//
//	json      the name in YAML and JSON
//	required  "true": the field must be there
//	default   the value of an absent field, in the form of YAML; of a list, with commas
//	unset     of a Setting without default: what holds if no document sets it, in words; its built-in value is Unset
//	range     lowest and highest value, "1-65535" or "1ms-24h"
//	unit      what a number counts
//	enum      the words that are allowed, with commas
//	format    a further rule for text, by its name in the formats of the Reader
//	example   a value in the form of YAML
type field struct {
	reflect.StructField
	owner    reflect.Type // the struct that declares it
	name     string
	required bool
	bounds   bounds
	words    []string
	format   string
	setting  bool    // it is a Setting
	initial  *string // the default tag; nil if there is none
	unset    string  // the unset tag
}

// fieldsOf returns the fields of t that people write, those of embedded structs included, in the
// order in which they are declared.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for f := range t.Fields() {
		if f.Anonymous {
			inner := fieldsOf(f.Type)
			for i := range inner {
				inner[i].Index = append([]int{f.Index[0]}, inner[i].Index...)
			}
			fields = append(fields, inner...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		fields = append(fields, newField(t, f, name))
	}
	return fields
}

func newField(owner reflect.Type, f reflect.StructField, name string) field {
	made := field{
		StructField: f,
		owner:       owner,
		name:        name,
		required:    f.Tag.Get("required") == "true",
		bounds:      parseBounds(f.Tag.Get("range")),
		words:       list(f.Tag.Get("enum")),
		format:      f.Tag.Get("format"),
		setting:     isSetting(f.Type),
		unset:       f.Tag.Get("unset"),
	}
	if text, ok := f.Tag.Lookup("default"); ok {
		made.initial = &text
	}
	return made
}

// list splits a tag that holds several values.
func list(tag string) []string {
	if tag == "" {
		return nil
	}
	return strings.Split(tag, ",")
}

// bounds are the lowest and highest value of a number, or of a duration in nanoseconds; text is how
// the tag writes them, "" where there are none.
type bounds struct {
	low, high int64
	text      string
}

// parseBounds panics on a tag that is not a range: the tags are ours.
func parseBounds(tag string) bounds {
	if tag == "" {
		return bounds{}
	}
	low, high, _ := strings.Cut(tag, "-")
	return bounds{bound(low), bound(high), tag}
}

func bound(s string) int64 {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(fmt.Sprintf("yamldoc: range tag: %v", err))
	}
	return int64(d)
}

// hold reports whether n is within the bounds.
func (b bounds) hold(n int64) bool { return b.text == "" || b.low <= n && n <= b.high }

// expected says in words what the field takes.
func (f field) expected() string {
	t := core(f.Type)
	low, high, _ := strings.Cut(f.bounds.text, "-")
	s, hasShort := reflect.New(t).Interface().(Shorthand)
	switch {
	case t == reflect.TypeFor[Duration]():
		return fmt.Sprintf("a duration from %s to %s, such as %s", low, high, f.Tag.Get("example"))
	case f.words != nil:
		return "one of " + strings.Join(f.words, ", ")
	case t.Kind() == reflect.Int && low == high:
		return low
	case t.Kind() == reflect.Int:
		return fmt.Sprintf("a whole number from %s to %s", low, high)
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text, such as " + f.Tag.Get("example")
	case hasShort:
		return s.Short().Words + ", or the fields " + names(t)
	default:
		return "the fields " + names(t)
	}
}

// names lists the fields of t.
func names(t reflect.Type) string {
	var names []string
	for _, f := range fieldsOf(t) {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// sample is the field as one may write it.
func (f field) sample() string {
	if example := f.Tag.Get("example"); example != "" {
		return fmt.Sprintf("such as %s: %s", f.name, example)
	}
	return f.name + " with " + f.expected()
}
