package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/doyen-mesh/doyen/internal/httpapi"
)

// readJSON decodes the body, exactly one JSON value without unknown fields, into v. If it cannot, it answers the
// request with an error and the hint, and returns false.
func readJSON(w http.ResponseWriter, r *http.Request, v any, hint string) bool {
	body, ok := httpapi.Body(w, r)
	if !ok {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	if _, end := decoder.Token(); err == nil && !errors.Is(end, io.EOF) {
		err = errors.New("more than one JSON value")
	}
	if err != nil {
		httpapi.Write(w, http.StatusBadRequest, httpapi.Error{Error: fmt.Sprintf("body: %v", err), Hint: hint})
	}
	return err == nil
}

func quote(s string) string { return strconv.Quote(s) }
