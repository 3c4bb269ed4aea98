package config

import "strings"

// short says what text may stand for a group of fields, in words and by rules that a schema can hold: it may be
// what a field of the group may be, or match a pattern.
type short struct{ words, field, pattern string }

func (*Port) expand(text string) [][2]string {
	port, protocol, ok := strings.Cut(text, "/")
	if !ok {
		return [][2]string{{"port", port}}
	}
	return [][2]string{{"port", port}, {"protocol", protocol}}
}

func (*Port) short() short {
	return short{"a port number such as 8080, or with its protocol 9090/grpc", "port", "^[0-9]+/(" + strings.Join(protocols(), "|") + ")$"}
}

func (*Health) expand(text string) [][2]string {
	switch text {
	case "grpc":
		return [][2]string{{"grpc", ""}}
	case "tcp":
		return [][2]string{{"tcp", "true"}}
	default:
		return [][2]string{{"http", text}}
	}
}

func (*Health) short() short {
	return short{"a path such as /healthz, or the word grpc or tcp", "http", "^(grpc|tcp)$"}
}

func (*Call) expand(text string) [][2]string { return [][2]string{{"to", text}} }

func (*Call) short() short { return short{words: "the name of a Service or External", field: "to"} }

func (*Retries) expand(text string) [][2]string { return [][2]string{{"attempts", text}} }

func (*Retries) short() short {
	return short{words: "a number of attempts, 0 for none", field: "attempts"}
}

func (*Outliers) expand(text string) [][2]string { return [][2]string{{"consecutiveErrors", text}} }

func (*Outliers) short() short {
	return short{words: "a number of errors in a row, 0 for off", field: "consecutiveErrors"}
}

func (*EdgeListener) expand(text string) [][2]string { return [][2]string{{"port", text}} }

func (*EdgeListener) short() short { return short{words: "a port number such as 8000", field: "port"} }
