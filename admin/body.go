package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/switchback-proxy/switchback/admin/api"
)

const (
	maxBody  = 64 << 10
	maxDepth = 8 // no request but a flag's nests deeper than 2
)

// decode reads the body of a write into q, a pointer to a struct. No body leaves q as it is.
//
// It is stricter than encoding/json, which takes the last of two equal keys, ignores case and skips
// what it does not know: a request must mean the same to everybody who reads it.
func decode(w http.ResponseWriter, r *http.Request, q any) *api.Error {
	return decodeUpTo(maxBody, w, r, q)
}

// decodeUpTo is decode for a body of at most so many bytes.
func decodeUpTo(limit int64, w http.ResponseWriter, r *http.Request, q any) *api.Error {
	if problem := checkContentType(r); problem != nil {
		return problem
	}
	body, problem := readBody(w, r, limit)
	if problem != nil || len(body) == 0 {
		return problem
	}
	if r.Header.Get("Content-Type") == "" {
		return invalid("Send the body as Content-Type: application/json.")
	}
	return unmarshal(body, q)
}

// readBody reads a body of at most so many bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *api.Error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, invalid("The body has more than %d bytes.", limit)
	}
	if err != nil {
		return nil, invalid("The body did not arrive whole.")
	}
	identify(r, body)
	return body, nil
}

// checkContentType refuses what a form of a foreign page could send, with and without a body.
func checkContentType(r *http.Request) *api.Error {
	for _, field := range r.Header.Values("Content-Type") {
		if media, _, err := mime.ParseMediaType(field); err != nil || media != "application/json" {
			return invalid("Content-Type is %q; send application/json.", clip(field))
		}
	}
	return nil
}

func unmarshal(body []byte, q any) *api.Error {
	if problem := checkJSON(body, fields(q), maxDepth); problem != nil {
		return problem
	}
	err := json.Unmarshal(body, q)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return invalid("%s must be of type %s, not %s.", t.Field, kinds[t.Type.Kind()], t.Value)
	}
	if err != nil {
		return invalid("The body is not valid: %s.", err)
	}
	return nil
}

// checkJSON refuses a body that is not one object with members among known.
func checkJSON(body []byte, known []string, depth int) *api.Error {
	if !utf8.Valid(body) {
		return invalid("The body is not UTF-8.")
	}
	if err := walk(body, known, depth); err != nil {
		return invalid("The body is not valid: %s.", err)
	}
	return nil
}

// kinds are the Go types of the requests in the words of JSON.
var kinds = map[reflect.Kind]string{
	reflect.Bool: "boolean", reflect.Float64: "number", reflect.String: "string",
	reflect.Map: "object", reflect.Struct: "object",
}

// fields are the names of the JSON members of a struct.
func fields(q any) []string {
	var names []string
	for f := range reflect.TypeOf(q).Elem().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// walk reads one JSON object and nothing behind it, whose members are among known, in which no object has a
// member twice, and which nests no deeper than left.
func walk(body []byte, known []string, left int) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	t, err := d.Token()
	if err != nil {
		return syntax(err)
	}
	if t != json.Delim('{') {
		return errors.New("it is not an object")
	}
	if err := walkObject(d, known, left-1); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the object")
	}
	return nil
}

// walkObject reads the members up to the closing brace. known is nil where any name will do.
func walkObject(d *json.Decoder, known []string, left int) error {
	seen := map[string]bool{}
	for {
		t, err := d.Token()
		if err != nil {
			return syntax(err)
		}
		name, ok := t.(string)
		if !ok {
			return nil // the closing brace
		}
		if seen[name] {
			return fmt.Errorf("field %q is there twice", clip(name))
		}
		seen[name] = true
		if known != nil && !slices.Contains(known, name) {
			return fmt.Errorf("field %q is unknown; known are %s", clip(name), strings.Join(known, ", "))
		}
		if err := walkValue(d, left); err != nil {
			return err
		}
	}
}

func walkValue(d *json.Decoder, left int) error {
	t, err := d.Token()
	if err != nil {
		return syntax(err)
	}
	if left <= 0 {
		return errors.New("it is nested too deep")
	}
	switch t {
	case json.Delim('{'):
		return walkObject(d, nil, left-1)
	case json.Delim('['):
		for d.More() {
			if err := walkValue(d, left-1); err != nil {
				return err
			}
		}
		_, err := d.Token() // the closing bracket
		return syntax(err)
	}
	return nil
}

// syntax says the end of the body in words.
func syntax(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}
