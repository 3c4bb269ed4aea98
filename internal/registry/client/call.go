package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// maxAnswer bounds what is read of an answer: 256 MiB hold a million instances.
const maxAnswer = 256 << 20

// Error is an answer of the server that is not a success.
type Error struct {
	Status int       // HTTP status
	Answer api.Error // the server's words
}

// Error returns the server's words with all problems and the hint.
func (e *Error) Error() string {
	text := fmt.Sprintf("server answered %d: %s", e.Status, e.Answer.Error)
	for _, p := range e.Answer.Problems {
		text += fmt.Sprintf("; %s: %s", p.Field, p.Error)
		if p.Expected != "" {
			text += ": want " + p.Expected
		}
	}
	return text
}

// Temporary reports whether the same call may succeed later: the server is not well. A call
// that is wrong stays wrong.
func (e *Error) Temporary() bool {
	return e.Status >= 500 || e.Status == http.StatusTooManyRequests
}

func isStatus(err error, status int) bool {
	var answered *Error
	return errors.As(err, &answered) && answered.Status == status
}

// call makes one request and decodes the answer into out, unless it has no body.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) (int, error) {
	request, err := c.request(ctx, method, path, query, in)
	if err != nil {
		return 0, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	body := io.LimitReader(answer.Body, maxAnswer)
	if answer.StatusCode == http.StatusNoContent {
		return answer.StatusCode, nil
	}
	if answer.StatusCode/100 != 2 {
		return answer.StatusCode, refusal(answer.StatusCode, body)
	}
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return answer.StatusCode, fmt.Errorf("%s %s: answer: %w", method, path, err)
	}
	return answer.StatusCode, nil
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(encoded)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// refusal reads what the server said; a proxy in between may have answered in another form.
func refusal(status int, body io.Reader) error {
	refused := &Error{Status: status}
	text, err := io.ReadAll(io.LimitReader(body, 64<<10))
	if err != nil || json.Unmarshal(text, &refused.Answer) != nil || refused.Answer.Error == "" {
		refused.Answer.Error = http.StatusText(status)
	}
	return refused
}
