package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// wrong is what is the matter with one value, without its place.
type wrong struct{ message, expected, hint string }

// setScalar reads text into v, a value without parts, by the rules of its type and its field.
func setScalar(v reflect.Value, f field, text string) *wrong {
	switch v.Interface().(type) {
	case Duration:
		return setDuration(v, f, text)
	case mesh.Protocol:
		return setText(v, text, oneOf("there is no protocol", protocols()))
	case mesh.ServiceName:
		return setText(v, text, parsed(mesh.ParseServiceName))
	case mesh.PortName:
		return setText(v, text, parsed(mesh.ParsePortName))
	}
	switch v.Kind() {
	case reflect.Int:
		return setInt(v, f, text)
	case reflect.Bool:
		return setBool(v, f, text)
	}
	if f.words != nil {
		return setText(v, text, oneOf(f.name+" does not take", f.words))
	}
	return setText(v, text, formats[f.format])
}

// protocols lists the words for mesh.Protocols.
func protocols() []string {
	var words []string
	for _, p := range mesh.Protocols {
		words = append(words, string(p))
	}
	return words
}

func setText(v reflect.Value, text string, rule rule) *wrong {
	if w := rule(text); w != nil {
		return w
	}
	v.SetString(text)
	return nil
}

func setInt(v reflect.Value, f field, text string) *wrong {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return &wrong{message: fmt.Sprintf("%s %q is not a plain whole number", f.name, text), expected: f.expected()}
	}
	if !f.bounds.hold(n) {
		w := &wrong{message: fmt.Sprintf("%s %d is out of range", f.name, n), expected: f.expected()}
		if f.bounds.low == f.bounds.high {
			w.message = fmt.Sprintf("there is no %s %d", f.name, n)
		}
		return w
	}
	v.SetInt(n)
	return nil
}

func setBool(v reflect.Value, f field, text string) *wrong {
	if text != "true" && text != "false" {
		return &wrong{message: fmt.Sprintf("%s %q is neither true nor false", f.name, text), expected: "true or false"}
	}
	v.SetBool(text == "true")
	return nil
}

func setDuration(v reflect.Value, f field, text string) *wrong {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return &wrong{fmt.Sprintf("%s %q is not a duration", f.name, text), f.expected(), durationHint(text)}
	case !f.bounds.hold(int64(d)):
		return &wrong{message: fmt.Sprintf("%s %s is out of range", f.name, text), expected: f.expected()}
	}
	v.SetInt(int64(d))
	return nil
}

// durationHint guesses what was meant by a duration that is none: a bare number is most likely in seconds.
func durationHint(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return fmt.Sprintf("did you mean %ss or %sms?", text, text)
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil {
			return fmt.Sprintf("write %dh: days are not of one length everywhere", n*24)
		}
	}
	return ""
}
