package config

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A short form and what it stands for are the same documents.
func TestShortForms(t *testing.T) {
	for short, long := range map[string]string{
		"ports: 8080":                     "ports: [{name: http, protocol: http, port: 8080}]",
		"ports: 9090/grpc":                "ports: [{name: grpc, protocol: grpc, port: 9090}]",
		"ports: [1/tcp, 2]":               "ports: [{protocol: tcp, port: 1}, {port: 2}]",
		"health: /ready":                  "health: {http: /ready}",
		"health: grpc":                    "health: {grpc: ''}",
		"health: tcp":                     "health: {tcp: true}",
		"calls: other":                    "calls: [{to: other}]",
		"traffic: {retries: 0}":           "traffic: {retries: {attempts: 0}}",
		"traffic: {retries: {on: reset}}": "traffic: {retries: {on: [reset]}}",
		"traffic: {outliers: 3}":          "traffic: {outliers: {consecutiveErrors: 3}}",
	} {
		t.Run(short, func(t *testing.T) {
			const service = "kind: Service\nname: s\n%s\n---\nkind: Service\nname: other\nports: 1\n"
			ports := ""
			if short[0] == 'h' {
				ports = "ports: 50/grpc\n"
			}
			a := meaningOf(t, Files{"a.yaml": fmt.Appendf(nil, service, ports+short)})
			b := meaningOf(t, Files{"a.yaml": fmt.Appendf(nil, service, ports+long)})
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("(-short +long):\n%s", diff)
			}
		})
	}
}

// A short form has a place too, so that an effective value can say where it comes from.
func TestShortFormsHavePlaces(t *testing.T) {
	s := parseOne(t, "kind: Mesh\nname: m\ndefaults: {retries: 1, outliers: 2}\n")
	e := Resolve(s.Documents.Mesh.Defaults)
	if got := e.Retries.Attempts.Origin.String(); got != "one.yaml:3:21" {
		t.Errorf("attempts are decided at %s", got)
	}
	if got := e.Outliers.ConsecutiveErrors.Origin.String(); got != "one.yaml:3:34" {
		t.Errorf("errors are decided at %s", got)
	}
}
