//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/switchback-proxy/switchback/internal/binary"
)

// TestTLS serves HTTP/2 and HTTP/1.1 by ALPN, follows its certificate files, and keeps the pair in use
// when the new one is bad.
func TestTLS(t *testing.T) {
	s := newSite(t)
	cert, key := filepath.Join(s.dir, "shop.crt"), filepath.Join(s.dir, "shop.key")
	issue(t, cert, key, 1)
	s.tls = fmt.Sprintf(", tls: {certificates: [{cert: %q, key: %q}]}", cert, key)
	s.save(t, s.yaml(100))
	s.start(t)
	s.up(t)

	if proto, serial := s.shake(t, "h2"); proto != "HTTP/2.0" || serial != 1 {
		t.Errorf("%s with certificate %d, want HTTP/2.0 with 1", proto, serial)
	}
	if proto, serial := s.shake(t, "http/1.1"); proto != "HTTP/1.1" || serial != 1 {
		t.Errorf("%s with certificate %d, want HTTP/1.1 with 1", proto, serial)
	}

	issue(t, cert, key, 2)
	binary.Until(t, "the new certificate is in use", func() bool { _, serial := s.shake(t, "h2"); return serial == 2 })

	replace(t, key, []byte("not a key\n"))
	binary.Until(t, "the log names the bad pair", func() bool {
		return strings.Contains(s.proc.Output(), "certificate kept") && strings.Contains(s.proc.Output(), key)
	})
	if _, serial := s.shake(t, "h2"); serial != 2 {
		t.Errorf("certificate %d after a bad pair, want 2 as before", serial)
	}
	issue(t, cert, key, 3)
	binary.Until(t, "a good pair is in use again", func() bool { _, serial := s.shake(t, "h2"); return serial == 3 })
}

// shake makes a request on a new connection that offers one protocol; it returns the protocol spoken and
// the serial number of the certificate shown.
func (s *site) shake(t *testing.T, alpn string) (string, int64) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(alpn == "http/1.1")
	protocols.SetHTTP2(alpn == "h2")
	transport := &http.Transport{
		Protocols: protocols,
		// The certificate signs itself and changes; which one it is, is what the test looks at.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example.com"},
	}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("https://" + s.listen + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Pool") != "blue" {
		t.Errorf("status %d from pool %q", resp.StatusCode, resp.Header.Get("X-Pool"))
	}
	return resp.Proto, resp.TLS.PeerCertificates[0].SerialNumber.Int64()
}

// issue writes a new pair that signs itself.
func issue(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"shop.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	replace(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

// replace puts a file in place of another at once.
func replace(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}
