package admin

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
)

// scope is what a token may see and touch. The nil scope is everything.
type scope struct{ token *config.Token }

func scopeOf(t *config.Token) *scope {
	if t == nil || !t.Scoped() {
		return nil
	}
	return &scope{t}
}

func (s *scope) service(name string) bool { return s == nil || s.token.Covers(name) }

func (s *scope) flag(name string) bool { return s == nil || s.token.CoversFlag(name) }

// event reports whether an event is about something in the scope. What is about the node, or its file, is not: it
// may tell of others.
func (s *scope) event(e *api.Event) bool {
	switch {
	case s == nil:
		return true
	case e.Flag != "":
		return s.flag(e.Flag)
	}
	return e.Service != "" && s.service(e.Service)
}

// check refuses a request that is not for this scope. It looks at the path before anybody routes it, and knows the
// paths it lets through: a path that nobody thought of is closed.
func (s *scope) check(r *http.Request) *api.Error {
	if s == nil {
		return nil
	}
	kind, name := subject(r.URL)
	switch kind {
	case onList:
		return nil // shows what is in the scope
	case onService:
		if s.service(name) {
			return nil
		}
		return s.refusal("service " + name)
	case onFlag:
		if s.flag(name) {
			return nil
		}
		return s.refusal("flag " + name)
	case onNode:
	}
	return s.refusal("the whole node")
}

func (s *scope) refusal(what string) *api.Error {
	var only []string
	if len(s.token.Services) > 0 {
		only = append(only, "services "+strings.Join(s.token.Services, ", "))
	}
	if len(s.token.Flags) > 0 {
		only = append(only, "flags "+strings.Join(s.token.Flags, ", "))
	}
	return api.Problem(api.TypeForbidden, "Token %s is for %s only; this is about %s.", s.token.Name, strings.Join(only, " and "), clip(what))
}

// on is what a path is about.
type on int

const (
	onNode on = iota
	onList    // services, flags, events
	onService
	onFlag
)

// subject says what a path is about. Its segments are read as the handlers read theirs.
func subject(u *url.URL) (kind on, name string) {
	segments := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	under := func(prefix ...string) bool {
		return len(segments) > len(prefix) && slices.Equal(segments[:len(prefix)], prefix)
	}
	at := func(i int) string {
		name, err := url.PathUnescape(segments[i])
		if err != nil {
			return ""
		}
		return name
	}
	switch path := strings.Join(segments, "/"); {
	case path == "v1/services" || path == "v1/flags" || path == "v1/events":
		return onList, ""
	case under("v1", "services"):
		return onService, at(2)
	case under("v1", "flags"), under("api", "flags"):
		return onFlag, at(2)
	case under("ofrep", "v1", "evaluate", "flags") && len(segments) == 5:
		return onFlag, at(4)
	}
	return onNode, ""
}

// overview is what is in a scope of an overview. Of the node it leaves the version: the file may tell of others, and
// connections are those of all.
func (s *scope) overview(o api.Overview) api.Overview {
	if s == nil {
		return o
	}
	o.Node = api.Node{Version: o.Node.Version, Connections: api.Connections{Handovers: map[string]int64{}}}
	o.Services = slices.DeleteFunc(slices.Clone(o.Services), func(v api.Service) bool { return !s.service(v.Name) })
	return o
}

// flags is what is in a scope of all flags.
func (s *scope) flags(f api.Flags) api.Flags {
	if s != nil {
		f.Flags = slices.DeleteFunc(slices.Clone(f.Flags), func(v api.Flag) bool { return !s.flag(v.Name) })
	}
	return f
}

// events is what is in a scope of some events.
func (s *scope) events(all []api.Event) []api.Event {
	if s == nil {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(e api.Event) bool { return !s.event(&e) })
}
