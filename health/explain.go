package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"unicode"
)

// refuse says why an answer is not good enough.
func refuse(resp *http.Response, c check) error {
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		return fmt.Errorf("redirect to %s not followed: %d", printable(to), resp.StatusCode)
	}
	return fmt.Errorf("%s: %d, expected %s", printable(c.question()), resp.StatusCode, c.expected())
}

// explain says in the words of an operator why there was no answer. The text may hold bytes of the
// target, so it is cut and cleaned.
func explain(err error, c check) error {
	return errors.New(printable(reason(err, c)))
}

func reason(err error, c check) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", c.timeout)
	}
	if errors.Is(err, errLinkLocal) {
		return errLinkLocal.Error()
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Sprintf("resolve %s: %s", e.Name, e.Err)
	}
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e.Error() // "connection refused", "connection reset by peer", "no route to host"
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate not accepted: " + strings.TrimPrefix(e.Err.Error(), "x509: ")
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the target does not speak TLS"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return closed
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner // the outer ones say where in net/http it happened
	}
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "net/http: "), "http: ")
	if text == "server closed idle connection" { // not exported: closed before the question was written
		return closed
	}
	return text
}

const closed = "connection closed before an answer"

// printable keeps a text of outside to one line of bounded length without control characters.
func printable(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, s)
}
