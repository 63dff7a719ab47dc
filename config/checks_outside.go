package config

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// How many checks of a rollout may be of the kinds that the data path counts, and how many there may be.
const (
	MaxServerTimings = 4
	MaxRatios        = 4
	maxChecks        = 16
	maxLimits        = 24 // comparisons and absolute limits together
)

// What the checks of values accept.
var (
	anyQuantile  = bounds{least: 1, most: 99.9}
	anyDecrease  = bounds{least: 0, most: 90, open: true}
	valueRatio   = bounds{least: 1, most: 1000}
	anyValue     = bounds{least: 0, most: 1e15}
	positive     = bounds{least: 0, most: 1e15, open: true}
	mostFetches  = 10 * time.Minute
	longestQuery = 8 << 10
)

// sources are the keys that say what a check is about, each with what it makes of the check.
var sources = []struct {
	key  string
	read func(*parser, string, *node) Check
}{
	{"scrape", (*parser).scrapeCheck},
	{"server_timing", (*parser).timingCheck},
	{"good", (*parser).ratioCheck},
	{"prometheus", (*parser).prometheusCheck},
	{"webhook", (*parser).webhookCheck},
}

const sourceHint = "say what is compared, with scrape, server_timing, good and of, prometheus or webhook"

// named reads a check whose name is the user's own.
func (p *parser) named(f field, known []string) (Check, bool) {
	for _, s := range sources {
		if f.value.child(s.key) != nil {
			return s.read(p, p.name(f.key), f.value), true
		}
	}
	near := suggest(f.key.value, known)
	switch {
	case f.key.bad:
	case near != "":
		p.spoil(f.key, flaw{"unknown key", "did you mean " + strconv.Quote(near) + "?"})
	case f.value.kind != yaml.MappingNode:
		p.expect(f.value, yaml.MappingNode, "a mapping")
	default:
		p.spoil(f.key, flaw{"compares nothing that is known here", sourceHint})
	}
	return Check{}, false
}

// held reads the keys that every check of single values has.
func (p *parser) held(c *Check, o object, every time.Duration) {
	c.Every = p.between(o.at("every"), time.Second, mostFetches, every)
	c.ObserveOnly = p.boolean(o.at("observe_only"))
	c.Max = p.decimal(o.at("max"), positive, 0)
	ratio, increase := o.at("max_ratio"), o.at("max_increase")
	if ratio != nil || increase != nil {
		c.MaxRatio = p.decimal(ratio, valueRatio, 1)
		c.MaxIncrease = p.decimal(increase, anyValue, 0)
	}
}

// compares asks for something that a value can be held against.
func (p *parser) compares(c *Check, n *node) {
	if c.MaxRatio == 0 && c.Max == 0 && !n.bad && n.child("max") == nil {
		p.report(n, flaw{"is held against nothing", "set max_ratio, max_increase or max"})
	}
}

const defaultScrapeEvery = 5 * time.Second

func (p *parser) scrapeCheck(name string, n *node) Check {
	o := p.object(n, "scrape", "per", "path", "port", "every", "max_ratio", "max_increase", "max", "observe_only")
	c := Check{Name: name, Kind: KindScrape, Scrape: Scrape{
		Metric: p.checked(o.at("scrape"), metricName),
		Per:    choice(p, o.at("per"), PerNothing, PerRequest, PerSecond),
		Path:   p.checked(o.at("path"), scrapePath),
		Port:   p.count(o.at("port"), 1, 65535, 0),
	}}
	if c.Scrape.Path == "" {
		c.Scrape.Path = "/metrics"
	}
	p.held(&c, o, defaultScrapeEvery)
	p.compares(&c, n)
	return c
}

func (p *parser) timingCheck(name string, n *node) Check {
	o := p.object(n, "server_timing", "quantile", "max_ratio", "observe_only")
	return Check{
		Name: name, Kind: KindServerTiming, ServerTiming: p.checked(o.at("server_timing"), timingName),
		Quantile:    p.scaled(o.at("quantile"), anyQuantile, "e-2", "percent, ", 0.95),
		MaxRatio:    p.decimal(o.at("max_ratio"), latencyRatio, defaultLatencyRatio),
		ObserveOnly: p.boolean(o.at("observe_only")),
	}
}

// Of journeys: how long a user may take from the one request to the other.
const (
	defaultWithin     = time.Minute
	mostWithin        = time.Hour
	defaultMaxDecline = 0.05
)

func (p *parser) ratioCheck(name string, n *node) Check {
	o := p.object(n, "good", "of", "max_decrease", "within", "observe_only")
	c := Check{
		Name: name, Kind: KindRatio, Good: p.pattern(o.at("good")),
		MaxDecrease: p.fraction(o.at("max_decrease"), anyDecrease, defaultMaxDecline),
		Within:      p.between(o.at("within"), time.Second, mostWithin, defaultWithin),
		ObserveOnly: p.boolean(o.at("observe_only")),
	}
	if of := p.need(o, "of", `say of which requests: {good: "POST /checkout 2xx", of: "GET /cart 2xx"}`); of != nil {
		c.Of = p.pattern(of)
	}
	return c
}

const (
	defaultQueryEvery  = 15 * time.Second
	defaultQueryWindow = time.Minute
)

func (p *parser) prometheusCheck(name string, n *node) Check {
	o := p.object(n, "prometheus", "query", "window", "every", "token_file", "max_ratio", "max_increase", "max", "observe_only")
	c := Check{
		Name: name, Kind: KindPrometheus, TokenFile: p.filename(o.at("token_file")),
		Query: Query{
			URL:    p.server(o.at("prometheus")),
			Window: p.between(o.at("window"), time.Second, 24*time.Hour, defaultQueryWindow),
		},
	}
	p.held(&c, o, defaultQueryEvery)
	p.compares(&c, n)
	at := p.need(o, "query", `say what is asked: {query: 'max(queue_depth{pool="{{.Pool}}"})'}`)
	if at == nil {
		return c
	}
	c.Query.Query = p.checked(at, queryText)
	same := func(d *QueryData) { d.Pool, d.Version = "other", "other" }
	if c.MaxRatio > 0 && !at.bad && c.Query.Query != "" && !c.Query.Names(same) {
		p.report(at, flaw{"asks the same for both pools, which cannot be compared then", "name the pool with {{.Pool}} or {{.Version}}"})
	}
	return c
}

const defaultWebhookEvery = 15 * time.Second

func (p *parser) webhookCheck(name string, n *node) Check {
	o := p.object(n, "webhook", "every", "token_file", "max_ratio", "max_increase", "max", "observe_only")
	c := Check{Name: name, Kind: KindWebhook, Webhook: p.callURL(o.at("webhook")), TokenFile: p.filename(o.at("token_file"))}
	p.held(&c, o, defaultWebhookEvery)
	return c
}

// Verdicts reports whether a webhook answers with a verdict rather than with a number.
func (c *Check) Verdicts() bool { return c.Kind == KindWebhook && c.MaxRatio == 0 && c.Max == 0 }

// countChecks keeps a rollout within what the judge and the data path have a place for.
func (p *parser) countChecks(n *node, all []Check) {
	timings, ratios, bets, deciding := 0, 0, 0, 0
	for i := range all {
		c := &all[i]
		bets++
		if c.Max > 0 && !c.Kind.Fetched() {
			bets++
		}
		switch c.Kind {
		case KindServerTiming:
			timings++
		case KindRatio:
			ratios++
		case KindScrape, KindPrometheus, KindWebhook:
		}
		if !c.ObserveOnly {
			deciding++
		}
	}
	switch {
	case len(all) > maxChecks || bets > maxLimits:
		p.report(n, flaw{"has " + strconv.Itoa(len(all)) + " checks", "at most " + strconv.Itoa(maxChecks) + ", and " + strconv.Itoa(maxLimits) + " with their absolute limits"})
	case timings > MaxServerTimings || ratios > MaxRatios:
		p.report(n, flaw{"has too many checks that look at each request", "at most 4 with server_timing and 4 with good"})
	case len(all) > 0 && deciding == 0:
		p.report(n, flaw{"only observes: nothing would be proven", "let one check decide, by leaving out its observe_only"})
	}
}

// checkQueries finds versions that would break out of a query.
func (p *parser) checkQueries(s *Service, n *node) {
	for i := range s.Rollout.Checks {
		c := &s.Rollout.Checks[i]
		at := n.child("checks").child(c.Name).child("query")
		if c.Kind != KindPrometheus || at == nil || at.bad || !c.Query.Names(func(d *QueryData) { d.Version = "other" }) {
			continue
		}
		for k := range s.Pools {
			if strings.ContainsAny(s.Pools[k].Version, "\"'`\\") {
				p.report(at, flaw{"names the version, and that of " + s.Pools[k].Name + " has quotes or backslashes", "use {{.Pool}}, or another version"})
			}
		}
	}
}

// checkFlagChecks refuses what is known of pools only: those who have a flag are in all of them.
func (p *parser) checkFlagChecks(r *Rollout, n *node) {
	for _, c := range r.Checks {
		if c.Kind != "" {
			p.report(n.child("checks").child(c.Name), flaw{
				"compares pools, and those who have a flag are in all of them", "compare errors, p50, p95, p99 or slow",
			})
		}
	}
}

// checkJourneys asks for time to see what became of the users of a step.
func (p *parser) checkJourneys(s *Service, n *node) {
	for i := range s.Rollout.Checks {
		c := &s.Rollout.Checks[i]
		if c.Kind != KindRatio || len(s.Sticky.Key) == 0 || c.Within < s.Rollout.Deadline {
			continue
		}
		at := n.child("checks").child(c.Name)
		p.report(cmp.Or(at.child("within"), at), flaw{
			"gives users " + brief(c.Within) + ", but a step's deadline is " + brief(s.Rollout.Deadline),
			"set rollout.deadline to more than " + brief(c.Within) + ", or within to less",
		})
	}
}

// metricName judges the name of a metric in Prometheus text.
func metricName(s string) (string, *flaw) {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '_' && s[i] != ':' || i == 0 && '0' <= s[0] && s[0] <= '9' {
			return "", &flaw{quote(s) + " is not the name of a metric", "write the name alone, such as process_cpu_seconds_total"}
		}
	}
	return s, nil
}

// timingName judges the name of a metric of Server-Timing.
func timingName(s string) (string, *flaw) {
	if !isToken(s) {
		return "", &flaw{quote(s) + " is not the name of a Server-Timing metric", "write it like db"}
	}
	return s, nil
}

func scrapePath(s string) (string, *flaw) {
	switch {
	case !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//"):
		return "", &flaw{quote(s) + " is not a path", "a path begins with one /, such as /metrics"}
	case !visible(s) || strings.Contains(s, "#"):
		return "", &flaw{quote(s) + " is not a path", "write blanks and other special characters as %20"}
	}
	if _, err := url.ParseRequestURI(s); err != nil {
		return "", &flaw{quote(s) + " is not a path", "write it like /metrics?module=app"}
	}
	return s, nil
}

func queryText(s string) (string, *flaw) {
	if len(s) > longestQuery {
		return "", &flaw{"the query is too long", "at most 8 KiB"}
	}
	if _, err := (&Query{Query: s}).Render(QueryData{}); err != nil {
		return "", &flaw{quote(s) + " is not a query", err.Error()}
	}
	return s, nil
}

// server reads the address of a server, with a path before its API if need be.
func (p *parser) server(n *node) string {
	s := p.callURL(n)
	if strings.Contains(s, "?") {
		p.spoil(n, flaw{"is not a server: it has a query", "leave out what follows the question mark"})
	}
	return strings.TrimRight(s, "/")
}

// pattern reads "POST /checkout 2xx".
func (p *parser) pattern(n *node) Pattern {
	s := p.text(n)
	if s == "" {
		return Pattern{}
	}
	got, f := requestPattern(s)
	if f != nil {
		p.spoil(n, *f)
	}
	return got
}

// methods are those a pattern may name; others are typing errors more often than meant.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func requestPattern(s string) (Pattern, *flaw) {
	bad := func(hint string) (Pattern, *flaw) {
		return Pattern{}, &flaw{quote(s) + " says not which requests", hint}
	}
	words := strings.Fields(s)
	if len(words) != 2 && len(words) != 3 {
		return bad(`write method, path and status, such as "POST /checkout 2xx"`)
	}
	pattern := Pattern{Status: StatusRange{From: 100, To: 599}}
	if words[0] != "*" {
		if pattern.Method = words[0]; !contains(methods, words[0]) {
			return bad("the method is " + oneOf(methods) + ", or * for any")
		}
	}
	path, below := strings.CutSuffix(words[1], "/*")
	if path == "" && below {
		path = "/"
	}
	pattern.Below = below
	var f *flaw
	if pattern.Path, f = pathPrefix(path); f != nil {
		return Pattern{}, f
	}
	if len(words) == 3 {
		var ok bool
		if pattern.Status, ok = statusClass(words[2]); !ok {
			return bad("the status is like 2xx or 201")
		}
	}
	return pattern, nil
}

func statusClass(s string) (StatusRange, bool) {
	if len(s) == 3 && '1' <= s[0] && s[0] <= '5' && strings.EqualFold(s[1:], "xx") {
		from := int(s[0]-'0') * 100
		return StatusRange{From: from, To: from + 99}, true
	}
	n, err := strconv.Atoi(s)
	return StatusRange{From: n, To: n}, err == nil && n >= 100 && n <= 599
}

func contains(words []string, word string) bool { return setOf(words)[word] }
