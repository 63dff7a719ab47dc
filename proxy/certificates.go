package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"go.uber.org/zap"
)

// certificateCheck is how often the files of a listener's certificates are read again.
const certificateCheck = 2 * time.Second

// Certificates are the pairs of one listener. They follow their files.
type Certificates struct {
	log   *zap.Logger
	pairs []*pair
}

type pair struct {
	files  config.Certificate
	loaded atomic.Pointer[tls.Certificate]
	digest []byte // of the files last tried, good or bad
}

// LoadCertificates reads the pairs of a listener; one that cannot be read or does not match is an error.
func LoadCertificates(t *config.TLS, log *zap.Logger) (*Certificates, error) {
	c := &Certificates{log: log}
	for _, files := range t.Certificates {
		p := &pair{files: files}
		if _, err := p.reload(); err != nil {
			return nil, err
		}
		c.pairs = append(c.pairs, p)
	}
	if len(c.pairs) == 0 {
		return nil, errors.New("no certificate given")
	}
	return c, nil
}

// Run reads pairs again when their files change, until ctx ends. A bad pair leaves the old one in use
// and is logged once.
func (c *Certificates) Run(ctx context.Context) error {
	tick := time.NewTicker(certificateCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			c.Check()
		}
	}
}

// Check reads every pair whose files changed. Only one goroutine may call it at a time.
func (c *Certificates) Check() {
	for _, p := range c.pairs {
		changed, err := p.reload()
		switch {
		case err != nil:
			c.log.Error("certificate kept, its files changed and cannot be used", zap.String("cert", p.files.Cert), zap.Error(err))
		case changed:
			c.log.Info("certificate read again", zap.String("cert", p.files.Cert), zap.Time("not_after", p.loaded.Load().Leaf.NotAfter))
		}
	}
}

// reload reads the files; without change since the last try it does nothing, also after a bad one.
func (p *pair) reload() (changed bool, err error) {
	cert, certErr := os.ReadFile(p.files.Cert)
	key, keyErr := os.ReadFile(p.files.Key)
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%d %v %v ", len(cert), certErr, keyErr)
	sum.Write(cert)
	sum.Write(key)
	digest := sum.Sum(nil)
	if bytes.Equal(digest, p.digest) {
		return false, nil
	}
	p.digest = digest
	if err := errors.Join(certErr, keyErr); err != nil {
		return false, fmt.Errorf("read certificate: %w", err)
	}
	loaded, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("certificate %s with key %s: %w", p.files.Cert, p.files.Key, err)
	}
	p.loaded.Store(&loaded)
	return true, nil
}

// choose takes the first pair that fits what the client can use and asks for, else the first.
func (c *Certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	for _, p := range c.pairs {
		if cert := p.loaded.Load(); hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	return c.pairs[0].loaded.Load(), nil
}

// TLS is TLS 1.2 and later with HTTP/2 and HTTP/1.1 by ALPN. It follows the files while Run runs.
func (c *Certificates) TLS() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: c.choose,
	}
}
