package redisengine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Schemes lists what a store's URL may begin with.
var Schemes = []string{"redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"}

// Address says where a store is and how to reach it. It holds no password.
type Address struct {
	Hosts   []string // host:port of the node, of the Sentinels, or of some nodes of the Cluster
	Cluster bool
	Master  string // the name of the master that Sentinels watch; "" without Sentinel
	User    string // of the ACL; "" is the default user
	// SentinelUser is the user of the Sentinels' own ACL; "" is their default user.
	SentinelUser string
	Database     int
	Prefix       string // begins every key
	TLS          *TLS   // nil: no TLS
}

// TLS are files in PEM form; "" is the system's authorities, and no certificate.
type TLS struct{ Authorities, Certificate, Key string }

// Password is a secret that does not print.
type Password string

// String hides the password.
func (Password) String() string { return "[redacted]" }

// GoString hides the password.
func (Password) GoString() string { return "[redacted]" }

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

// ParseAddress reads a URL such as redis://10.0.0.5:6379, rediss://doyen@redis.example.com/1?ca=/etc/ca.pem or
// redis+sentinel://10.0.0.5:26379?addr=10.0.0.6:26379&master=mesh. Its errors contain nothing of the URL that
// may be a secret. A password in it is an error, because command lines are no place for one.
func ParseAddress(text string) (Address, error) {
	u, err := url.Parse(text)
	if err != nil || !slices.Contains(Schemes, u.Scheme) || u.Hostname() == "" || u.Opaque != "" || u.Fragment != "" {
		return Address{}, errors.New("want a URL such as redis://10.0.0.5:6379, rediss://redis.example.com, redis+sentinel://10.0.0.5:26379?master=NAME or redis+cluster://10.0.0.5:6379")
	}
	if _, has := u.User.Password(); has {
		return Address{}, errors.New("the URL has a password, which anyone could read in the list of processes: give it in DOYEN_STORE_PASSWORD or in a file")
	}
	a := Address{User: u.User.Username(), Prefix: "doyen", Cluster: strings.HasSuffix(u.Scheme, "+cluster")}
	sentinel := strings.HasSuffix(u.Scheme, "+sentinel")
	port := "6379"
	if sentinel {
		port = "26379"
	}
	a.Hosts = []string{withPort(u.Host, port)}
	if path := strings.TrimPrefix(u.Path, "/"); path != "" {
		if a.Database, err = strconv.Atoi(path); err != nil || a.Database < 0 || a.Cluster {
			return Address{}, errors.New("the path of the URL is the number of a database, which a Cluster has not")
		}
	}
	if strings.HasPrefix(u.Scheme, "rediss") {
		a.TLS = &TLS{}
	}
	if err := a.parameters(u.Query(), port); err != nil {
		return Address{}, err
	}
	if len(a.Hosts) > 1 && !sentinel && !a.Cluster {
		return Address{}, errors.New("addr: only the URL of a Sentinel or a Cluster names several hosts")
	}
	if a.SentinelUser != "" && !sentinel {
		return Address{}, errors.New("sentinel-user: only the URL of a Sentinel names one")
	}
	if sentinel != (a.Master != "") {
		return Address{}, errors.New("a URL of redis+sentinel, and no other, names the master: ?master=NAME")
	}
	return a, nil
}

func (a *Address) parameters(query url.Values, port string) error {
	for name, values := range query {
		last := values[len(values)-1]
		switch {
		case name == "addr":
			for _, host := range values {
				address := withPort(host, port)
				if name, _, err := net.SplitHostPort(address); err != nil || name == "" {
					return errors.New("addr: want a host and port such as 10.0.0.6:6379")
				}
				a.Hosts = append(a.Hosts, address)
			}
		case name == "master":
			a.Master = last
		case name == "sentinel-user":
			a.SentinelUser = last
		case name == "prefix" && prefixForm.MatchString(last):
			a.Prefix = last
		case name == "prefix":
			return errors.New("prefix: want 1-64 of a-z, A-Z, 0-9, '.', '_', ':' and '-'")
		case name == "ca" && a.TLS != nil:
			a.TLS.Authorities = last
		case name == "cert" && a.TLS != nil:
			a.TLS.Certificate = last
		case name == "key" && a.TLS != nil:
			a.TLS.Key = last
		default:
			return fmt.Errorf("the URL has no parameter %.40q: it may have addr, master, sentinel-user and prefix, and with rediss ca, cert and key", name)
		}
	}
	return nil
}

func withPort(host, port string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// String describes where the store is, for people. It has no secrets.
func (a Address) String() string {
	kind := "Redis"
	switch {
	case a.Cluster:
		kind = "Redis Cluster"
	case a.Master != "":
		kind = fmt.Sprintf("Redis %q by Sentinel", a.Master)
	}
	return kind + " at " + strings.Join(a.Hosts, ", ")
}

// config reads the files.
func (t *TLS) config() (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.Authorities != "" {
		text, err := os.ReadFile(t.Authorities)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: it has no certificate in PEM form", t.Authorities)
		}
	}
	if (t.Certificate == "") != (t.Key == "") {
		return nil, errors.New("cert and key belong together")
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
