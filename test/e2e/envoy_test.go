package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// stats returns an Envoy's counters and gauges whose names match a filter.
func stats(t *testing.T, admin int, filter string) map[string]int {
	t.Helper()
	values, err := tryStats(admin, filter)
	if err != nil {
		t.Fatal(err)
	}
	return values
}

func tryStats(admin int, filter string) (map[string]int, error) {
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/stats?filter=%s", admin, url.QueryEscape(filter)))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	values := map[string]int{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		if n, err := strconv.Atoi(value); err == nil {
			values[name] = n
		}
	}
	return values, lines.Err()
}

// updates returns how often an Envoy accepted each part of its configuration.
func updates(t *testing.T, admin int) map[string]int {
	t.Helper()
	return stats(t, admin, `update_success$`)
}

// mustBeClean fails the test if an Envoy rejected an update or reported a deprecated or unknown field.
func mustBeClean(t *testing.T, name string, admin int) {
	t.Helper()
	found, err := tryStats(admin, "(update_rejected|unknown_fields|deprecated_feature|wip_fields|wip_protos)")
	if err != nil || len(found) == 0 {
		t.Errorf("%s: %d statistics of what it refused: %v", name, len(found), err)
	}
	for stat, n := range found {
		if n > 0 {
			t.Errorf("%s: %s is %d", name, stat, n)
		}
	}
}
