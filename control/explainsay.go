package control

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/router"
)

// maxOthers bounds how many services an answer speaks of that a request does not go to.
const maxOthers = 100

// answer is the whole chain.
func (e *explainer) answer() api.Explanation {
	x := &e.x
	out := api.Explanation{Steps: []api.ExplainStep{e.service()}, Walk: []api.ExplainTurn{}, Ends: []api.ExplainEnd{}}
	if x.Service == nil {
		out.Error = x.Err.Error()
		return out
	}
	out.Service, out.Key, out.Sampled = x.Service.Name, e.key(), x.Sampled
	out.Steps = append(out.Steps, e.listens(), e.override(), e.rules(), e.cohort())
	for _, t := range x.Turns {
		if x.Issue == "" { // of one that is minted nobody knows the hash yet
			out.Walk = append(out.Walk, e.turn(t))
		}
	}
	if x.Err != nil {
		out.Cause, out.Error = x.Cause.String(), x.Err.Error()
		return out
	}
	served := false
	for i := range x.Ends {
		out.Ends = append(out.Ends, end(&x.Ends[i]))
		served = served || x.Ends[i].Serves != nil
	}
	if !served {
		out.Error = router.ErrNoTarget.Error()
	}
	if !x.Lucky {
		out.Pool, out.Cause = x.Pool.Name, x.Cause.String()
	}
	if x.Issue == "" {
		out.Flags = x.Told
	}
	out.Steps = append(out.Steps, e.targets())
	if served {
		out.Steps = append(out.Steps, e.retry(), e.upstream())
	}
	return out
}

func step(name, sentence string, details ...string) api.ExplainStep {
	if details == nil {
		details = []string{}
	}
	return api.ExplainStep{Step: name, Sentence: sentence, Details: details}
}

func (e *explainer) service() api.ExplainStep {
	x := &e.x
	var details []string
	for i, o := range x.Others {
		if i == maxOthers {
			details = append(details, fmt.Sprintf("and %d more do not", len(x.Others)-i))
			break
		}
		details = append(details, e.other(o))
	}
	switch {
	case x.Path == "":
		return step("service", "none: the path cannot be matched: a NUL, a broken escape, or too long")
	case x.Service == nil:
		return step("service", "none matches this host and "+quoted(x.Path), details...)
	}
	hosts := "any host"
	if len(x.Service.Config.Hosts) > 0 {
		hosts = strings.Join(x.Service.Config.Hosts, ", ")
	}
	said := fmt.Sprintf("%s: it answers %s at %s; the path is matched as %s",
		x.Service.Name, hosts, strings.Join(x.Service.Config.Paths, ", "), quoted(x.Path))
	if e.q.Service != "" && e.q.Service != x.Service.Name {
		said = "not " + e.q.Service + " but " + said
	}
	return step("service", said, details...)
}

func (e *explainer) other(o router.Other) string {
	switch {
	case !o.Host:
		return o.Service.Name + ": its hosts do not match: " + strings.Join(o.Service.Config.Hosts, ", ")
	case !o.Path:
		return o.Service.Name + ": its paths do not: " + strings.Join(o.Service.Config.Paths, ", ")
	}
	return fmt.Sprintf("%s: matches too, but %s is more specific", o.Service.Name, e.x.Service.Name)
}

func (e *explainer) listens() api.ExplainStep {
	if e.listener.Pool == "" {
		return step("listener", e.listener.Name+": weights decide")
	}
	said := fmt.Sprintf("%s: always %s", e.listener.Name, e.listener.Pool)
	return step("listener", said+e.resolved(e.listener.Pool))
}

// resolved says who has a role, "" for the name of a pool.
func (e *explainer) resolved(name string) string {
	switch p := e.x.Service.Resolve(name); {
	case p == nil:
		return ", which is no pool of " + e.x.Service.Name + " now"
	case p.Name != name:
		return ", which is " + p.Name
	}
	return ""
}

func (e *explainer) override() api.ExplainStep {
	x, who := &e.x, "the client, whose address is not given,"
	if e.client.IsValid() {
		who = e.client.String()
	}
	var details []string
	if e.client != e.peer {
		details = append(details, fmt.Sprintf("%s is in trust.proxies, so X-Forwarded-For tells the client: %s", e.peer, e.client))
	}
	switch {
	case x.Override == "":
		return step("override", e.table.OverrideHeader()+" is not there", details...)
	case !x.Trusted:
		return step("override", fmt.Sprintf("%s: %s is taken away: %s is not in trust.override.from", e.table.OverrideHeader(), quoted(x.Override), who), details...)
	case x.Cause == router.ByListener:
		return step("override", "not asked: the listener decides", details...)
	}
	return step("override", fmt.Sprintf("%s names %s by hand and may%s", who, quoted(x.Override), e.resolved(x.Override)), details...)
}

// decided reports whether the listener or a trusted address has named the pool, so that nothing else is asked.
func (e *explainer) decided() bool { return !e.x.Cause.FallsBack() }

func (e *explainer) rules() api.ExplainStep {
	x := &e.x
	switch {
	case e.decided():
		return step("rules", "not asked: the "+x.Cause.String()+" decides")
	case len(x.Service.Config.Rules) == 0:
		return step("rules", "there are none")
	}
	var details []string
	for _, f := range x.Rules {
		details = append(details, fmt.Sprintf("%d to %s: %s", f.Index+1, x.Service.Config.Rules[f.Index].To, e.rule(f)))
	}
	said := "none matches"
	if x.Cause == router.ByRule {
		said = fmt.Sprintf("rule %d matches: %s", x.Rules[len(x.Rules)-1].Index+1, x.Pool.Name)
	}
	if x.Issue != "" && x.Service.EarlyKey() {
		said = "depends on what flags say of the id that is minted"
	}
	return step("rules", said, details...)
}

func (e *explainer) rule(f router.RuleFinding) string {
	when := &e.x.Service.Config.Rules[f.Index].When
	switch {
	case f.Nowhere:
		return "no pool has that role now"
	case f.Missing == router.ThePath:
		return fmt.Sprintf("the path is not below %s", when.PathPrefix)
	case f.Missing == router.TheUser:
		return "the user is not listed" + e.unknownUser()
	case f.Missing == router.TheHeader:
		return fmt.Sprintf("header %s is %s, not %s", f.Header.Name, quoted(f.Got), quoted(f.Header.Value))
	case f.Missing == router.TheFlag && f.Flag == nil:
		return "flag " + when.Flag + " is not there"
	case f.Flag != nil && e.x.Issue != "" && f.Result.Reason != flags.Static:
		return "flag " + f.Flag.Name + ": depends on the id that is minted"
	case f.Flag != nil:
		return sayFlag(f.Flag, f.Result) + e.unknownUser()
	}
	return "matches"
}

// unknownUser says that nobody knows who the user is.
func (e *explainer) unknownUser() string {
	if e.key() == nil {
		return "; the request has no key"
	}
	return ""
}

func sayFlag(f *flags.Flag, r flags.Result) string {
	if r.Missing() {
		return "flag " + f.Name + " needs a user"
	}
	has := "does not have it"
	if r.Has {
		has = "has it"
	}
	return fmt.Sprintf("flag %s: variant %s (%s), so the user %s", f.Name, r.Variant.Name, r.Reason, has)
}

// quoted is text as a person can read it whatever is in it.
func quoted(s string) string { return strconv.Quote(s) }

// keySource is where a key comes from.
func keySource(k config.StickyKey) string {
	switch {
	case k.Header != "":
		return "header " + k.Header
	case k.Cookie != "":
		return "cookie " + k.Cookie
	}
	return "cookie " + k.IssueCookie
}

func (e *explainer) key() *api.ExplainKey {
	for _, k := range e.x.Keys {
		if k.Accepted {
			return &api.ExplainKey{Source: keySource(k.Key), Value: k.Value}
		}
	}
	if e.x.Issue != "" {
		return &api.ExplainKey{Source: "minted for cookie " + e.x.Issue}
	}
	return nil
}
