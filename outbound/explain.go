package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"
)

// Mask is a URL as logs, status and errors may show it: scheme and host. The rest is often what makes a
// webhook's address a secret.
func Mask(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "…"
	}
	if (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery {
		return u.Scheme + "://" + u.Host
	}
	return u.Scheme + "://" + u.Host + "/…"
}

// explain says in our own words what went wrong. The words of net/http can hold the URL or what the
// other side wrote, which may be what we sent it.
func explain(ctx context.Context, err error, timeout time.Duration) error {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		op   *net.OpError
		tlsR tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, ErrDenied), errors.Is(err, ErrTooLarge), errors.Is(err, errURL):
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no complete answer within %v: %w", timeout.Round(10*time.Millisecond), context.DeadlineExceeded)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &dns):
		return fmt.Errorf("look up %s: %s", dns.Name, dns.Err)
	case errors.As(err, &cert):
		return fmt.Errorf("certificate not trusted: %w", cert.Err)
	case errors.As(err, &tlsR):
		return errors.New("it does not speak TLS")
	case errors.As(err, &op):
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection ended before the answer did")
	}
	return errors.New("the answer is not HTTP that can be read")
}
