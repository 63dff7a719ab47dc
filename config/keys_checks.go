package config

import "time"

// checksShape is the checks with a meaning of their own, and those that the user names.
func checksShape() shape {
	s := mapping(checkKeys).called("checks")
	own := oneOfForms(
		mapping(scrapeKeys).demanding(heldAgainst),
		mapping(timingKeys),
		mapping(ratioKeys),
		mapping(prometheusKeys).demanding(heldAgainst),
		mapping(webhookKeys),
	)
	s.each, s.choosable, s.pattern = &own, "NAME", namePattern
	s.limits = bounds{least: 1, most: maxChecks}
	return s
}

// heldAgainst: a value that is compared with nothing proves nothing.
var heldAgainst = shownField{"anyOf", []any{required("max_ratio"), required("max_increase"), required("max")}}

func observeOnly() key {
	return describe("observe_only", boolean(), "It is shown and decides nothing.").or("false").as("true")
}

func checkKeys() []key {
	all := []key{describe(CheckErrors, mapping(func() []key {
		return append(shareKeys(), describe("also", set(whole(400, 499), 0, 0), "Statuses below 500 that count as failed.").as("[429]"), observeOnly())
	}).orBlank(), "The share of failed requests.").as("{max_increase: 0.5}")}
	for _, c := range defaultChecks()[1:] {
		all = append(all, describe(c.Name, mapping(latencyKeys).orBlank(), "The "+c.Name[1:]+"th percentile of latency.").as("{max_ratio: 1.5}"))
	}
	return append(all, describe(CheckSlow, mapping(func() []key {
		over := describe("over", duration(shortest, mostOver), "What counts as slow.").must("250ms")
		return append(append([]key{over}, shareKeys()...), observeOnly())
	}), "The share of requests that take longer than a fixed time.").as("{over: 250ms}"))
}

func shareKeys() []key {
	return []key{
		describe("max_ratio", number(shareRatio), "At most so many times the baseline's share.").or(decimalText(defaultShareRatio)).as("1.5"),
		describe("max_increase", number(anyIncrease), "Plus so many points; 0 only with a max_ratio above 1.").or(percentWritten(defaultMaxIncrease)).as("0.5"),
		describe("max", number(anyLimit), "Percent, whatever the baseline does.").as("5"),
	}
}

func latencyKeys() []key {
	return []key{
		describe("max_ratio", number(latencyRatio), "At most so many times the baseline's.").or(decimalText(defaultLatencyRatio)).as("1.5"),
		observeOnly(),
	}
}

// valueKeys are those of every check of single values.
func valueKeys(every time.Duration) []key {
	return []key{
		describe("every", duration(time.Second, mostFetches), "Time between two looks.").or(brief(every)).as("30s"),
		describe("max_ratio", number(valueRatio), "At most so many times the baseline's; 1 with max_increase alone.").as("1.3"),
		describe("max_increase", number(anyValue), "Plus so much.").as("0.5"),
		describe("max", number(positive), "Three values in a row above it fail, whatever the baseline's.").as("500"),
		observeOnly(),
	}
}

func tokenFileKey() key {
	return describe("token_file", fileText(), "A file with a bearer token.").as("prom.token")
}

func scrapeKeys() []key {
	return append([]key{
		describe("scrape", text(`^[A-Za-z_:][A-Za-z0-9_:]*$`), "A metric of the targets' Prometheus text.").must("process_resident_memory_bytes"),
		describe("per", words(PerRequest, PerSecond), "Of a counter: its growth by request or by second.").as(string(PerRequest)),
		describe("path", text(probePattern), "Where the targets show it.").or("/metrics").as("/actuator/prometheus"),
		describe("port", whole(1, 65535), "Another port than the target's own.").as("9102"),
	}, valueKeys(defaultScrapeEvery)...)
}

func timingKeys() []key {
	return append([]key{
		describe("server_timing", text(wordPattern), "A time that responses tell in Server-Timing.").must("db"),
		describe("quantile", number(anyQuantile), "Which quantile is compared, in percent.").or("95").as("99"),
	}, latencyKeys()...)
}

func ratioKeys() []key {
	pattern := text(`^\s*\S+\s+/\S*(\s+[1-5][0-9xX]{2})?\s*$`)
	return []key{
		describe("good", pattern, "The requests that are hoped for: method or *, path, and status if it matters.").must(`"POST /checkout 2xx"`),
		describe("of", pattern, "The requests that begin it.").must(`"GET /cart 2xx"`),
		describe("max_decrease", number(anyDecrease), "Percent of the baseline's ratio that may be missing.").or(percentWritten(defaultMaxDecline)).as("10"),
		describe("within", duration(time.Second, mostWithin), "How long a user may take from the one to the other, where users have a key.").or(brief(defaultWithin)).as("5m"),
		observeOnly(),
	}
}

func prometheusKeys() []key {
	return append([]key{
		describe("prometheus", text(callPattern), "The address of a Prometheus server.").must("http://prom:9090"),
		describe("query", text(""), "A query with {{.Service}}, {{.Pool}}, {{.Version}} and {{.Window}}.").must(`'max(queue_depth{pool="{{.Pool}}"})'`),
		describe("window", duration(time.Second, 24*time.Hour), "What {{.Window}} stands for.").or(brief(defaultQueryWindow)).as("5m"),
		tokenFileKey(),
	}, valueKeys(defaultQueryEvery)...)
}

func webhookKeys() []key {
	return append([]key{
		describe("webhook", text(callPattern), "An address that answers with pass, fail or undecided, or with numbers to compare.").must("https://ci.example.com/verdict"),
		tokenFileKey(),
	}, valueKeys(defaultWebhookEvery)...)
}
