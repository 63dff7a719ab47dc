package ofrep

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/switchback-proxy/switchback/flags"
)

// The bounds of a request.
const (
	maxBody  = 64 << 10 // bytes
	maxDepth = 16       // of objects and lists in each other, the context itself included
	maxKey   = 256      // bytes of a targeting key
	// maxDrain is how much of a body that is too large is read and thrown away, so that its sender gets
	// to read the answer.
	maxDrain = 4 << 20
)

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// read takes the context from a request, whatever its Content-Type. A body that is empty or null, and one
// without context, are an empty context.
func read(r *http.Request) (flags.Context, *failure) {
	b := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(b)
	b.Reset()
	if _, err := b.ReadFrom(io.LimitReader(r.Body, maxBody+1)); err != nil {
		return flags.Context{}, unreadable("The body could not be read: %v.", err)
	}
	if b.Len() > maxBody {
		if r.ContentLength <= maxDrain {
			_, _ = io.CopyN(io.Discard, r.Body, maxDrain) // what the answer says does not depend on it
		}
		return flags.Context{}, invalid("The context is too large: a request may have %d KiB, and targeting needs a few attributes only.", maxBody>>10)
	}
	return parse(b.Bytes())
}

// parse reads {"context": {…}}; other members are passed over.
func parse(body []byte) (flags.Context, *failure) {
	s := scanner{b: body}
	c, err := s.request()
	if err == nil && s.peek() != end {
		err = unreadable("There is something behind the JSON object.")
	}
	if err == nil {
		return c, nil
	}
	if f, ok := errors.AsType[*failure](err); ok {
		return flags.Context{}, f
	}
	if f, ok := errors.AsType[*flaw](err); ok {
		return flags.Context{}, invalid("%s %s.", clip(f.where), f.what)
	}
	return flags.Context{}, unreadable("The body is not JSON: %v.", err)
}

func (f *failure) Error() string { return f.Details }

func unreadable(format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, Code: codeParse, Details: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, Code: codeContext, Details: fmt.Sprintf(format, args...)}
}

func (s *scanner) request() (c flags.Context, err error) {
	if s.peek() == end {
		return c, nil
	}
	if s.peek() != '{' {
		v, err := s.value(0)
		if err == nil && v != nil {
			err = unreadable(`The body is %s; send an object such as {"context": {"targetingKey": "user-1"}}.`, kind(v))
		}
		return c, err
	}
	given := false
	err = s.members(func(name string) error {
		switch {
		case name != "context":
			_, err := s.value(0)
			return err
		case given:
			return unreadable("The member context is there twice.")
		}
		given = true
		v, err := s.value(0)
		if err == nil && v != nil {
			c, err = contextOf(v)
		}
		return err
	})
	return c, err
}

func contextOf(v any) (c flags.Context, err error) {
	attributes, ok := v.(map[string]any)
	if !ok {
		return c, &flaw{what: "is " + kind(v) + ", not an object"}
	}
	switch key := attributes["targetingKey"].(type) {
	case nil:
	case string:
		if len(key) > maxKey {
			return c, &flaw{".targetingKey", fmt.Sprintf("has %d bytes; at most %d are allowed", len(key), maxKey)}
		}
		c.Key = key
	default:
		return c, &flaw{".targetingKey", "is " + kind(key) + ", not text"}
	}
	delete(attributes, "targetingKey")
	c.Attributes = attributes
	return c, nil
}

// kind names the type of a value.
func kind(v any) string {
	switch v.(type) {
	case bool:
		return "a boolean"
	case string:
		return "text"
	case float64:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}
