package config

import "strconv"

// serviceShape is what a service or the defaults may say. Nothing in it is needed: it may be inherited.
func serviceShape() shape { return mapping(serviceKeys).called("service") }

var percentBounds = bounds{least: 0, most: 100}

func serviceKeys() []key {
	return []key{
		describe("hosts", set(text(hostPatternText), 0, 0), `Names it answers; "*.example.com" is a wildcard; none: any.`).as(`[shop.example.com, "*.shop.example.com"]`),
		describe("paths", set(text(pathPattern), 1, 0), "Prefixes on whole segments; the longest one wins.").or("[/]").as("[/cart]"),
		describe("pools", poolsShape(), "The versions of the service, by name.").as("{blue: [http://10.0.0.1:8080], green: [http://10.0.1.1:8080]}"),
		describe("weights", named("POOL", "", number(percentBounds), 0, 0), "Percent of the traffic for each pool, with at most two decimals; the sum is 100. A single pool needs none.").as("{blue: 90, green: 10}"),
		describe("balance", words(LeastInflight, RoundRobin), "How a target is chosen in a pool: the less busy of two drawn ones, or each in turn.").or(string(LeastInflight)).as(string(RoundRobin)),
		describe("sticky", mapping(stickyKeys), "What keeps a user on one pool."),
		describe("rules", list(mapping(ruleKeys), 0, 0), "Before the split, the first that matches.").as(`[{when: {header: {X-Beta: "true"}}, to: candidate}]`),
		describe("health", mapping(healthKeys).demanding(shownField{"dependencies", shown{{"grpc", forbidden("path", "status")}}}), "The probe of every target."),
		describe("timeouts", mapping(timeoutKeys), "Of the targets' side."),
		describe("host", text(`^[^ /@]+$`), "The Host that targets see: preserve, target, or a literal.").or(defaultHost).as("shop.internal:8080"),
		describe("http2", boolean(), "Targets with https are asked for HTTP/2; gRPC asks for it in any case.").or("false").as("true"),
		describe("drain", mapping(drainKeys), "Requests on a pool that lost its weight."),
		describe("rollout", rolloutShape(), "How a candidate gets the traffic step by step; nothing behind the key is everything by default. Without it only people and the file move the weights.").as("{steps: [5, 25, 50, 100]}"),
		describe("flags", set(text(namePattern), 0, maxToldFlags), "Flags whose variants upstream is told in Switchback-Flags.").as("[new-checkout]"),
	}
}

func poolsShape() shape {
	target := oneOfForms(text(targetPattern), mapping(func() []key {
		return []key{
			describe("url", text(targetPattern), "Scheme, host and port; the scheme is http, https or h2c.").must("http://10.0.0.1:8080"),
			describe("weight", whole(1, maxTargetWeight), "Its share among the targets of the pool.").or(strconv.Itoa(defaultTargetWeight)).as("2"),
		}
	})).called("target")
	targets := list(target, 1, 0)
	version := text(printPattern)
	version.limits.most = maxVersion
	long := mapping(func() []key {
		return []key{
			describe("version", version, "What runs there; quote it, or 2.10 becomes 2.1.").as(`"2.5.0"`),
			describe("targets", targets, "Addresses, each as a URL or with its weight.").as("[http://10.0.0.1:8080]"),
		}
	})
	s := named("POOL", namePattern, oneOfForms(targets, long).called("pool"), 1, 0)
	s.not = "^(" + RoleBaseline + "|" + RoleCandidate + "|" + RoleLive + "|" + RoleIdle + ")$"
	return s
}

func stickyKeys() []key {
	source := mapping(func() []key {
		return []key{
			describe("header", headerText(), "The value of a header.").as("X-User-ID"),
			describe("cookie", text(wordPattern), "The value of a cookie.").as("session_id"),
			describe("issue_cookie", text(wordPattern), "The value of a cookie that is issued when there is none; last in the list.").as("sb_id"),
		}
	}).demanding(shownField{"minProperties", 1}, shownField{"maxProperties", 1})
	return []key{
		describe("key", set(source, 0, 0), "What names a user; the first one present in a request counts.").as("[{header: X-User-ID}, {cookie: session_id}]"),
		describe("seed", text("^("+string(SeedVersion)+"|"+string(SeedFixed)+"|"+string(SeedFlag)+".+)$"), "Who meets a new version first: others each time (version), the same ones (fixed), or those who have a flag (flag:NAME).").or(string(SeedVersion)).as(string(SeedFixed)),
	}
}

func ruleKeys() []key {
	header := named("HEADER", wordPattern, text(""), 1, 0)
	header.not = foldPattern(framing...)
	return []key{
		describe("when", mapping(func() []key {
			return []key{
				describe("header", header, "Headers with their exact values, all of them.").as(`{X-Beta: "true"}`),
				describe("users", list(text(""), 1, 0), "Sticky keys, one of them.").as("[user_alice]"),
				describe("flag", text(""), "A flag that the user has.").as("new-checkout"),
				describe("path_prefix", text(pathPattern), "A path on whole segments.").as("/payments"),
			}
		}).demanding(shownField{"minProperties", 1}), "Which requests; everything that is said has to hold.").must(`{header: {X-Beta: "true"}}`),
		describe("to", text(""), "A pool or a role: baseline, candidate, live, idle.").must("candidate"),
	}
}

func healthKeys() []key {
	d := defaultHealth()
	status := oneOfForms(text(`^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$`), whole(100, 599))
	return []key{
		describe("path", text(probePattern), "What is asked for, with a query if need be.").or(d.Path).as("/healthz"),
		describe("every", duration(leastEvery, maxDuration), "Time between two probes of a target.").or(brief(d.Every)).as("2s"),
		describe("timeout", duration(shortest, maxDuration), "Time for one probe.").or(brief(d.Timeout)).as("500ms"),
		describe("passes", whole(1, 100), "Good probes in a row to come up, after the first one, which decides alone.").or(strconv.Itoa(d.Passes)).as("1"),
		describe("fails", whole(1, 100), "Bad probes in a row to go down.").or(strconv.Itoa(d.Fails)).as("5"),
		describe("status", oneOfForms(append([]shape{list(status, 1, 0)}, status.forms...)...), "What counts as good: a status, a range, or a list of these.").or("200-299").as("[200-299, 304]"),
		describe("grpc", mapping(func() []key {
			return []key{describe("service", text(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`), "Its full name; without it the whole server is asked.").as("shop.v1.Shop")}
		}), "grpc.health.v1.Health is asked in place of a path.").as("{service: shop.v1.Shop}"),
		describe("panic_below", whole(0, 100), "Percent of the baseline's targets up below which health is ignored; 0 never.").or(strconv.Itoa(d.PanicBelow)).as("0"),
	}
}

func timeoutKeys() []key {
	d := defaultTimeouts()
	return []key{
		describe("connect", duration(shortest, maxDuration), "To reach a target.").or(brief(d.Connect)).as("1s"),
		describe("response_header", duration(0, maxDuration), "From the request sent to the response's head, not of gRPC; 0s none.").or(brief(d.ResponseHeader)).as("10s"),
		describe("idle", duration(0, maxDuration), "An unused connection to a target is kept this long.").or(brief(d.Idle)).as("30s"),
		describe("request", duration(0, maxDuration), "The whole exchange, not of upgrades, event streams and gRPC; 0s none.").or(brief(d.Request)).as("1m"),
	}
}

func drainKeys() []key {
	return []key{
		describe("timeout", duration(shortest, maxDuration), "Ordinary requests are cut after this.").or(brief(defaultDrain)).as("1m"),
		describe("long_lived", words(LongLivedKeep, LongLivedDrain, LongLivedClose), "Upgrades, event streams and gRPC streams are kept, or closed after a while, or at once.").or(string(LongLivedDrain)).as(string(LongLivedKeep)),
		describe("long_lived_timeout", duration(0, maxDuration), "How long they are left alone under drain.").or(brief(defaultLongLived)).as("5m"),
		describe("spread", duration(0, maxDuration), "Over which they are closed then, one by one; 0s at once.").or(brief(defaultSpread)).as("10s"),
	}
}
