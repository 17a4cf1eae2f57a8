package webexsim

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
)

const maxJSONBytes = 1 << 20

// readBody parses a JSON or multipart body. Its error is reported after the token was checked.
func (r *request) readBody(w http.ResponseWriter) error {
	r.fields = map[string]any{}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		return nil
	}
	ctype, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && ctype == "application/json":
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxJSONBytes))
		if err != nil {
			return tooLarge(err)
		}
		if json.Unmarshal(body, &r.fields) != nil || r.fields == nil {
			r.fields = map[string]any{}
			return refuse(http.StatusBadRequest, "The body is not a JSON object.")
		}
		return nil
	case err == nil && ctype == "multipart/form-data":
		return r.readForm(w)
	}
	return refuse(http.StatusUnsupportedMediaType, "Content-Type must be application/json or multipart/form-data.")
}

func tooLarge(err error) error {
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return refuse(http.StatusRequestEntityTooLarge, "The request is too large.")
	}
	return refuse(http.StatusBadRequest, "The body can't be read: "+err.Error())
}

func (r *request) readForm(w http.ResponseWriter) error {
	r.Body = http.MaxBytesReader(w, r.Body, MaxFileBytes+1<<20)
	if err := r.ParseMultipartForm(MaxFileBytes + 1<<20); err != nil { // all of it in memory
		return tooLarge(err)
	}
	for name, values := range r.MultipartForm.Value {
		r.fields[name] = values[0]
	}
	files := r.MultipartForm.File["files"]
	switch {
	case r.fields["files"] != nil:
		return refuse(http.StatusBadRequest, "The file has no name.")
	case len(files) == 0:
		return nil
	case len(files) > 1:
		return refuse(http.StatusBadRequest, "Only one file is allowed per message.")
	case files[0].Size > MaxFileBytes:
		return refuse(http.StatusRequestEntityTooLarge, "The file is too large.")
	}
	f, err := files[0].Open()
	if err != nil {
		return tooLarge(err)
	}
	content, err := io.ReadAll(f)
	r.upload = &file{name: files[0].Filename, ctype: cmp.Or(files[0].Header.Get("Content-Type"), "application/octet-stream"), content: content}
	return err
}

// self is a URL of this server under the address that the client used.
func (r *request) self(pathAndQuery string) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + pathAndQuery
}

// page answers with a page of a list and the link to the next page.
func page[T, V any](req *request, all []T, size int, show func(T) V) (any, error) {
	q := req.URL.Query()
	if text := q.Get("max"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return nil, refuse(http.StatusBadRequest, "max must be a number from 1 to 1000.")
		}
		size = n
	}
	offset := 0
	if text := q.Get("cursor"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, refuse(http.StatusBadRequest, "The cursor is invalid.")
		}
		offset = min(n, len(all))
	}
	end := min(offset+size, len(all))
	items := []V{}
	for _, item := range all[offset:end] {
		items = append(items, show(item))
	}
	if end < len(all) {
		q.Set("cursor", strconv.Itoa(end))
		req.reply.Set("Link", "<"+req.self(req.URL.Path+"?"+q.Encode())+`>; rel="next"`)
	}
	return map[string]any{"items": items}, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client may be gone
}
