package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// stats are an Envoy's counters and gauges whose names match a filter.
func stats(t *testing.T, admin int, filter string) map[string]int {
	t.Helper()
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/stats?filter=%s", admin, filter))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	values := map[string]int{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		if n, err := strconv.Atoi(value); err == nil {
			values[name] = n
		}
	}
	return values
}

// updates says how often an Envoy took a configuration, by what.
func updates(t *testing.T, admin int) string {
	t.Helper()
	all := stats(t, admin, "update_success")
	return fmt.Sprintf("clusters %d, listeners %d", all["cluster_manager.cds.update_success"], all["listener_manager.lds.update_success"])
}

// mustBeClean fails the test when an Envoy refused an update or met a deprecated or unknown field.
func mustBeClean(t *testing.T, name string, admin int) {
	t.Helper()
	for stat, n := range stats(t, admin, "(update_rejected|unknown_fields|deprecated_feature|wip_fields|wip_protos)") {
		if n > 0 {
			t.Errorf("%s: %s is %d", name, stat, n)
		}
	}
}
