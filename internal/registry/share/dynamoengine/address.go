package dynamoengine

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Schemes lists what a store's URL may begin with.
var Schemes = []string{"dynamodb"}

// Address says where a table is. It holds no secrets: credentials are those of the AWS SDK, from the environment, its
// files or the machine's role.
type Address struct {
	Table    string
	Region   string // "" is that of the SDK's configuration
	Endpoint string // "" is that of the region
	Prefix   string // begins every partition key
	Create   bool   // create the table if it is missing
}

var (
	tableForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{3,255}$`)
	regionForm = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	prefixForm = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)
)

// ParseAddress reads a URL such as dynamodb://doyen?region=eu-west-1. Its errors contain nothing of the URL that may be
// a secret.
func ParseAddress(text string) (Address, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != Schemes[0] || u.Opaque != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" || !tableForm.MatchString(u.Host) {
		return Address{}, errors.New("want a URL such as dynamodb://TABLE?region=eu-west-1, with a table's name of 3-255 of a-z, A-Z, 0-9, '.', '_' and '-'")
	}
	if u.User != nil {
		return Address{}, errors.New("the URL has a user: credentials come from the environment, the AWS configuration files or the machine's role")
	}
	a := Address{Table: u.Host, Prefix: "doyen", Create: true}
	for name, values := range u.Query() {
		value := values[len(values)-1]
		switch {
		case name == "region" && regionForm.MatchString(value):
			a.Region = value
		case name == "endpoint" && isEndpoint(value):
			a.Endpoint = value
		case name == "prefix" && prefixForm.MatchString(value):
			a.Prefix = value
		case name == "create" && (value == "true" || value == "false"):
			a.Create = value == "true"
		case name == "region" || name == "endpoint" || name == "prefix" || name == "create":
			return Address{}, fmt.Errorf("%s: want a region such as eu-west-1, an endpoint such as http://127.0.0.1:8000, a prefix of 1-64 of a-z, A-Z, 0-9, '.', '_', ':' and '-', or create=false", name)
		default:
			return Address{}, fmt.Errorf("the URL has no parameter %.40q: it may have region, endpoint, prefix and create", name)
		}
	}
	return a, nil
}

func isEndpoint(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// String describes where the table is, for people.
func (a Address) String() string {
	text := fmt.Sprintf("DynamoDB table %q", a.Table)
	if a.Region != "" {
		text += " in " + a.Region
	}
	if a.Endpoint != "" {
		text += " at " + a.Endpoint
	}
	return text
}
