package yamldoc

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// setScalar reads text into v, a value without parts, by the rules of its type and its field.
func (r *Reader) setScalar(v reflect.Value, f field, text string) *Problem {
	if _, ok := v.Interface().(Duration); ok {
		return setDuration(v, f, text)
	}
	switch v.Kind() {
	case reflect.Int:
		return setInt(v, f, text)
	case reflect.Bool:
		return setBool(v, f, text)
	}
	if f.words != nil {
		return setText(v, text, OneOf(f.name+" does not take", f.words))
	}
	return setText(v, text, r.formats[f.format])
}

func setText(v reflect.Value, text string, rule Rule) *Problem {
	if rule != nil {
		if w := rule(text); w != nil {
			return w
		}
	}
	v.SetString(text)
	return nil
}

func setInt(v reflect.Value, f field, text string) *Problem {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return &Problem{Message: fmt.Sprintf("%s %q is not a plain whole number", f.name, text), Expected: f.expected()}
	}
	if !f.bounds.hold(n) {
		w := &Problem{Message: fmt.Sprintf("%s %d is out of range", f.name, n), Expected: f.expected()}
		if f.bounds.low == f.bounds.high {
			w.Message = fmt.Sprintf("there is no %s %d", f.name, n)
		}
		return w
	}
	v.SetInt(n)
	return nil
}

func setBool(v reflect.Value, f field, text string) *Problem {
	if text != "true" && text != "false" {
		return &Problem{Message: fmt.Sprintf("%s %q is neither true nor false", f.name, text), Expected: "true or false"}
	}
	v.SetBool(text == "true")
	return nil
}

func setDuration(v reflect.Value, f field, text string) *Problem {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return &Problem{Message: fmt.Sprintf("%s %q is not a duration", f.name, text), Expected: f.expected(), Hint: durationHint(text)}
	case !f.bounds.hold(int64(d)):
		return &Problem{Message: fmt.Sprintf("%s %s is out of range", f.name, text), Expected: f.expected()}
	case d%time.Millisecond != 0:
		return &Problem{Message: fmt.Sprintf("%s %s is finer than a millisecond, which proxies would cut off", f.name, text), Expected: "a whole number of milliseconds"}
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
