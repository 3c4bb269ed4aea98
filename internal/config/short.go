package config

import (
	"strings"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

func (*Port) Expand(text string) [][2]string {
	port, protocol, ok := strings.Cut(text, "/")
	if !ok {
		return [][2]string{{"port", port}}
	}
	return [][2]string{{"port", port}, {"protocol", protocol}}
}

func (*Port) Short() yamldoc.Short {
	return yamldoc.Short{Words: "a port number such as 8080, or with its protocol 9090/grpc", Field: "port", Pattern: "^[0-9]+/(" + strings.Join(protocols(), "|") + ")$"}
}

func (*Health) Expand(text string) [][2]string {
	switch text {
	case "grpc":
		return [][2]string{{"grpc", ""}}
	case "tcp":
		return [][2]string{{"tcp", "true"}}
	default:
		return [][2]string{{"http", text}}
	}
}

func (*Health) Short() yamldoc.Short {
	return yamldoc.Short{Words: "a path such as /healthz, or the word grpc or tcp", Field: "http", Pattern: "^(grpc|tcp)$"}
}

func (*Call) Expand(text string) [][2]string { return [][2]string{{"to", text}} }

func (*Call) Short() yamldoc.Short {
	return yamldoc.Short{Words: "the name of a Service or External", Field: "to"}
}

func (*Retries) Expand(text string) [][2]string { return [][2]string{{"attempts", text}} }

func (*Retries) Short() yamldoc.Short {
	return yamldoc.Short{Words: "a number of attempts, 0 for none", Field: "attempts"}
}

func (*Outliers) Expand(text string) [][2]string { return [][2]string{{"consecutiveErrors", text}} }

func (*Outliers) Short() yamldoc.Short {
	return yamldoc.Short{Words: "a number of errors in a row, 0 for off", Field: "consecutiveErrors"}
}

func (*EdgeListener) Expand(text string) [][2]string { return [][2]string{{"port", text}} }

func (*EdgeListener) Short() yamldoc.Short {
	return yamldoc.Short{Words: "a port number such as 8000", Field: "port"}
}

// protocols lists the words for mesh.Protocols.
func protocols() []string {
	var words []string
	for _, p := range mesh.Protocols {
		words = append(words, string(p))
	}
	return words
}
