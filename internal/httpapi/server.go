package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// MaxBody is the size of the largest body that a handler reads, in bytes: several times what the largest valid call
// needs.
const MaxBody = 64 << 10

// Write sends value as JSON. It ignores errors of the connection, because the client is gone then.
func Write(w http.ResponseWriter, status int, value any) {
	writeHeader(w, status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
}

// WriteEncoded is Write for JSON that is encoded already, in any number of pieces.
func WriteEncoded(w http.ResponseWriter, status int, pieces [][]byte) {
	writeHeader(w, status)
	b := bufio.NewWriterSize(w, writeBuffer)
	for _, piece := range pieces {
		_, _ = b.Write(piece)
	}
	_ = b.Flush()
}

// writeBuffer is how many bytes of a body are written at a time.
const writeBuffer = 64 << 10

func writeHeader(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
}

// Refuse answers with 400 and everything that is wrong with the call; problems has at least one item.
func Refuse(w http.ResponseWriter, problems []Problem) {
	text := fmt.Sprintf("%s: %s", problems[0].Field, problems[0].Error)
	if len(problems) > 1 {
		text = fmt.Sprintf("%d things are wrong with this call", len(problems))
	}
	Write(w, http.StatusBadRequest, Error{Error: text, Problems: problems})
}

// IsJSON reports whether a content type is JSON. Every body must be: a web page cannot send JSON to another origin
// without a preflight request.
func IsJSON(contentType string) bool {
	if contentType == "application/json" {
		return true // what every agent sends
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// Body reads the body of a call. If it cannot, it answers the call with an error and returns false.
func Body(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	if !IsJSON(r.Header.Get("Content-Type")) {
		Write(w, http.StatusUnsupportedMediaType, Error{
			Error: fmt.Sprintf("content type %.80q is not application/json", r.Header.Get("Content-Type")),
			Hint:  "send the header Content-Type: application/json",
		})
		return nil, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		Write(w, http.StatusRequestEntityTooLarge, Error{Error: fmt.Sprintf("the body has more than %d bytes", MaxBody)})
		return nil, false
	}
	if err != nil {
		Refuse(w, []Problem{{Field: "body", Error: err.Error(), Expected: "a whole body"}})
		return nil, false
	}
	return body, true
}
