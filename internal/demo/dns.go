package demo

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// dnsNames asks the server's DNS for every service: it names each instance that runs.
func dnsNames(ctx context.Context, s *stage) (string, error) {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, loopback(s.at.dns))
	}}
	running := map[string]int{}
	for _, i := range s.instances {
		running[i.service]++
	}
	var found []string
	for _, service := range []string{"web", "users", "orders", "quotes"} {
		err := eventually(ctx, changeLimit, "DNS names the instances of "+service, func() error {
			_, records, err := resolver.LookupSRV(ctx, "", "", service+".mesh.")
			if err == nil && len(records) != running[service] {
				err = fmt.Errorf("it names %d of %d", len(records), running[service])
			}
			return err
		})
		if err != nil {
			return "", err
		}
		found = append(found, fmt.Sprintf("%d of %s", running[service], service))
	}
	return fmt.Sprintf("%s; try: dig @127.0.0.1 -p %d users.mesh SRV", strings.Join(found, ", "), s.at.dns), nil
}
