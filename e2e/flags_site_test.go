//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/internal/binary"
)

// flagToken is the secret of a flagSite's listener.
const flagToken = "a-token-for-applications-0123456789"

// flagSite is a site with a listener where applications ask for flags. Nobody serves its service.
type flagSite struct {
	*site
	flags string // URL of the listener
}

// newFlagSite starts a site with the flags of every type, and with origins whose pages may ask.
func newFlagSite(t *testing.T, cors ...string) *flagSite {
	t.Helper()
	nobody := binary.Addr(t)
	s := newSiteOf(t, map[string][]string{"blue": {"http://" + nobody}, "green": {"http://" + nobody}})
	addr, token := binary.Addr(t), filepath.Join(s.dir, "token")
	if err := os.WriteFile(token, []byte(flagToken), 0o600); err != nil {
		t.Fatal(err)
	}
	f := &flagSite{site: s, flags: "http://" + addr}
	quoted := make([]string, len(cors))
	for i, origin := range cors {
		quoted[i] = fmt.Sprintf("%q", origin)
	}
	s.tls = fmt.Sprintf("}, flags: {address: %q, serve: flags, tokens: [{name: app, file: %q}], cors: [%s]", addr, token, strings.Join(quoted, ", "))
	s.extra = flagsOfEveryType
	s.save(t, s.yaml(100))
	s.start(t)
	return f
}

const flagsOfEveryType = `flags:
  boolean: {strategy: all}
  checkout: {strategy: percentage, value: 25, users: [alice]}
  color: {strategy: all, variants: {grey: "#888", red: "#d00", blue: "#00d"}, off_variant: grey, weights: {red: 1, blue: 1}}
  limit: {strategy: all, variants: {low: 10, high: 100}, off_variant: low}
  none: {strategy: none}
  pro: {strategy: users, targeting: [{when: {attribute: plan, equals: pro}}]}
  ratio: {strategy: all, variants: {none: 0.5, whole: 1.0}, off_variant: none}
  theme: {strategy: all, variants: {plain: {dark: false}, night: {dark: true, font: {size: 12}}}, off_variant: plain}
  title: {strategy: all, variants: {old: Shop, new: "Shop <2> “é”"}, off_variant: old}
`

// kill and restore return once the change is acknowledged.
func (f *flagSite) kill(t *testing.T, flag string) {
	t.Helper()
	if _, err := f.api.KillFlag(t.Context(), flag, api.CommandRequest{Reason: "test"}); err != nil {
		t.Fatal(err)
	}
}

func (f *flagSite) restore(t *testing.T, flag string) {
	t.Helper()
	if _, err := f.api.RestoreFlag(t.Context(), flag, api.CommandRequest{Reason: "test"}); err != nil {
		t.Fatal(err)
	}
}

func (f *flagSite) put(t *testing.T, flag, definition string) {
	t.Helper()
	if _, err := f.api.PutFlag(t.Context(), flag, api.FlagRequest{Definition: []byte(definition), Reason: "test"}); err != nil {
		t.Fatal(err)
	}
}
