package config

import "strings"

// The short forms: what may be written as one plain value instead of a group of fields.

func (*Port) expand(text string) [][2]string {
	port, protocol, ok := strings.Cut(text, "/")
	if !ok {
		return [][2]string{{"port", port}}
	}
	return [][2]string{{"port", port}, {"protocol", protocol}}
}

func (*Port) short() string { return "a port number such as 8080, or with its protocol 9090/grpc" }

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

func (*Health) short() string { return "a path such as /healthz, or the word grpc or tcp" }

func (*Call) expand(text string) [][2]string { return [][2]string{{"to", text}} }

func (*Call) short() string { return "the name of a Service or External" }

func (*Retries) expand(text string) [][2]string { return [][2]string{{"attempts", text}} }

func (*Retries) short() string { return "a number of attempts, 0 for none" }

func (*Outliers) expand(text string) [][2]string { return [][2]string{{"consecutiveErrors", text}} }

func (*Outliers) short() string { return "a number of errors in a row, 0 for off" }

func (*EdgeListener) expand(text string) [][2]string { return [][2]string{{"port", text}} }

func (*EdgeListener) short() string { return "a port number such as 8000" }
