package admin

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/secret"
)

// guard is what Swap replaces: by which names the API may be addressed, and by whom.
type guard struct {
	hosts  hosts
	tokens *tokens
}

// hosts are the names a request may address the API by. A page that rebinds its own name to this
// machine's address sends that name, and it is not among them.
type hosts struct {
	names map[string]bool // lower-case, without port
	ips   bool            // any IP literal: it cannot be rebound
}

func newHosts(cfg config.Admin) hosts {
	h := hosts{names: map[string]bool{"localhost": true}}
	for _, name := range cfg.Hosts {
		h.names[strings.ToLower(name)] = true
	}
	if _, socket := socketPath(cfg.Address); socket {
		h.names[""], h.names[api.SocketHost] = true, true
		return h
	}
	h.ips = true
	if name, _, err := net.SplitHostPort(cfg.Address); err == nil && name != "" {
		h.names[strings.ToLower(name)] = true
	}
	return h
}

// allow judges a Host field, with or without a port.
func (h hosts) allow(field string) bool {
	name, ok := hostname(field)
	if !ok {
		return false
	}
	if h.names[name] {
		return true
	}
	_, err := netip.ParseAddr(name)
	return err == nil && h.ips
}

// hostname is the lower-case name in a Host field; false when the field is not host or host:port.
func hostname(field string) (string, bool) {
	name := field
	if strings.LastIndexByte(field, ':') > strings.LastIndexByte(field, ']') {
		host, port, err := net.SplitHostPort(field)
		if err != nil {
			return "", false
		}
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", false
		}
		name = host
	} else if inner, ok := strings.CutPrefix(field, "["); ok {
		name = strings.TrimSuffix(inner, "]")
	}
	return strings.ToLower(strings.TrimSuffix(name, ".")), true
}

// private reports whether only this machine can reach an address.
func private(address string) bool {
	if _, socket := socketPath(address); socket {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func (s *Server) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.guard.Load().hosts.allow(r.Host) {
			refuse(w, r, bare(http.StatusMisdirectedRequest,
				"%q is not a name of this server; use an IP address or localhost, or add the name to admin.hosts.", clip(r.Host)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// checkToken lets everybody see the probes. Without tokens in the configuration it lets everybody who
// reaches the address do the rest too; New sees to it that those are local.
func (s *Server) checkToken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.authorize(w, r); err != nil {
			s.controller.Refused(exchangeOf(r).Call, err.Error())
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// local reports whether a caller's address is this machine: a socket's has none.
func local(from string) bool {
	ip, err := netip.ParseAddr(from)
	return err != nil || ip.Unmap().IsLoopback()
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) error {
	x, t := exchangeOf(r), s.guard.Load().tokens
	switch {
	case t.None():
		x.By = "anonymous"
		return nil
	case r.URL.Path == "/livez" || r.URL.Path == "/readyz":
		return nil
	}
	now := time.Now()
	given, tried := secret.Bearer(r.Header)
	token := t.find(given, now)
	// The right token is refused as well, or a guess would learn from the answer whether it was right. Not on
	// this machine: one address is everybody there, and a stale script must not lock the others out.
	if wait := s.limiter.Wait(x.From, now); wait > 0 && (token == nil || !local(x.From)) {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		return bare(http.StatusTooManyRequests, "Too many wrong tokens came from %s; wait a minute.", x.From)
	}
	if token == nil {
		if tried {
			s.limiter.Fail(x.From, now)
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="switchback"`)
		return api.Problem(api.TypeUnauthorized, "Send one of the tokens in admin.tokens as Authorization: Bearer TOKEN.")
	}
	x.By, x.scope = token.Name, scopeOf(token)
	if token.Expired(now) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="switchback", error="invalid_token"`)
		return api.Problem(api.TypeUnauthorized, "Token %s expired at %s; give it a later date in admin.tokens.", token.Name, token.Expires.Format(time.RFC3339))
	}
	if !safe(r.Method) && !asks(r) && token.Role != config.Operator {
		return api.Problem(api.TypeForbidden, "Token %s is a %s and can only read; this needs an %s.", token.Name, token.Role, config.Operator)
	}
	if problem := x.scope.check(r); problem != nil {
		return problem
	}
	return nil
}

// evaluatePath is where applications ask for flags.
const evaluatePath = "/ofrep/v1"

// asks reports whether a request that is no GET only asks: for the value of a flag, or what would be.
func asks(r *http.Request) bool {
	return r.Method == http.MethodPost && (questions[r.URL.Path] || strings.HasPrefix(r.URL.Path, evaluatePath+"/evaluate/") ||
		strings.HasPrefix(r.URL.Path, "/v1/flags/") && strings.HasSuffix(r.URL.Path, "/evaluate"))
}

// checkOrigin refuses writes a browser makes for a page that is not ours: such a page can send
// requests to this address though it cannot read the answers. Clients that are no browsers send
// neither field.
func checkOrigin(next http.Handler) http.Handler {
	browser := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !safe(r.Method) && (browser.Check(r) != nil || foreign(r)) {
			refuse(w, r, api.Problem(api.TypeForbidden, "A page of another origin may not change anything here."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// foreign is stricter than the browser check: every Origin and Sec-Fetch-Site that is sent must fit.
func foreign(r *http.Request) bool {
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
			return true
		}
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" {
			return true
		}
	}
	return false
}
