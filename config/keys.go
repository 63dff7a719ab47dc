package config

import (
	"strconv"
	"strings"
)

// Patterns say as much of a word as an editor should complain about. They are in what the expressions of Go
// and of JavaScript have in common, and refuse nothing that the readers accept.
const (
	durationPattern = `^\+?(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
	noDuration      = `^\+?((0+\.?0*|\.0+)(ns|us|µs|μs|ms|s|m|h))+$`
	namePattern     = `^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`
	wordPattern     = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
	pathPattern     = `^/$|^(/[!"$&-.0->@-\[\]-~]+)+/?$`
	probePattern    = `^/([!"$&-~]|%[0-9A-Fa-f]{2})*$`
	hostPatternText = `^(\*\.)?[A-Za-z0-9._-]+$|^\[?[0-9A-Fa-f:.]+\]?$`
	addressPattern  = `^(\[[^\[\]]*\]|[^:\[\]]*):[0-9]{1,5}$`
	callPattern     = `^[Hh][Tt][Tt][Pp][Ss]?://[^#@ ]+$`
	targetPattern   = `^([Hh][Tt][Tt][Pp][Ss]?|[Hh]2[Cc])://[^/?#@ ]+/?$`
	rangePattern    = `^[0-9.]+(/[0-9]+)?$|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(/[0-9]+)?$`
	printPattern    = `^[^\x00-\x1f\x7f]+$`
)

func fileText() shape { return text("") }

func headerText() shape {
	s := text(wordPattern)
	s.not = foldPattern(framing...)
	return s
}

// fileShape is the whole file.
func fileShape() shape { return mapping(fileKeys) }

func fileKeys() []key {
	d := defaultShutdown()
	return []key{
		describe("listeners", named("NAME", namePattern, listenerShape(), 1, maxListeners), "Addresses that accept client traffic, by name.").or(`web: {address: ":8080"}`),
		describe("admin", mapping(adminKeys), "Where people and tools reach the API."),
		describe("state", mapping(func() []key {
			return []key{describe("dir", fileText(), "The folder for what was decided at run time, relative to the working directory.").or(defaultStateDir).as("/var/lib/switchback")}
		}), "Where traffic intent is kept."),
		describe("shutdown", mapping(func() []key {
			return []key{
				describe("delay", duration(0, maxDuration), "Time between not being ready and closing the listeners, for balancers in front to notice.").or(brief(d.Delay)).as("5s"),
				describe("timeout", duration(shortest, maxDuration), "The hard end of draining.").or(brief(d.Timeout)).as("1m"),
			}
		}), "The end of the process."),
		describe("trust", mapping(trustKeys), "Addresses whose words are believed."),
		describe("outbound", mapping(func() []key {
			return []key{describe("allow", set(text(`^[^/?#@ ]+$`), 0, 0), "What may be called although it is link-local or the own admin API: host or host:port.").as(`["169.254.10.1:8080"]`)}
		}), "Calls that switchback makes by itself: gates, announcements, checks from outside."),
		describe("log", mapping(func() []key {
			return []key{
				describe("level", words("debug", "info", "warn", "error"), "The least that is written.").or(defaultLogLevel).as("debug"),
				describe("access", boolean(), "A line for each request.").or("false").as("true"),
			}
		}), "How much is written."),
		describe("metrics", mapping(func() []key {
			return []key{describe("exemplars", boolean(), "Durations of requests name the trace they were measured in, as the request's traceparent has it.").or("false").as("true")}
		}), "What is shown to Prometheus beside the numbers."),
		describe("defaults", serviceShape(), "Keys of a service that every service inherits: mappings key by key, everything else as a whole.").as("{timeouts: {connect: 1s}}"),
		describe("services", named("NAME", namePattern, serviceShape(), 1, 0), "Hosts and paths with the pools behind them, by name.").must("{web: {pools: {blue: [http://10.0.0.1:8080]}}}"),
		describe("flags", named("NAME", namePattern, flagShape(), 0, MaxFlags), "Feature flags, by name."),
	}
}

func listenerShape() shape {
	return mapping(listenerKeys).called("listener").demanding(
		shownField{"dependencies", shown{{"tokens", []string{"serve"}}, {"cors", []string{"serve"}}, {"serve", forbidden("pool")}}},
		shownField{"not", append(required("tls", "h2c"), shownField{"properties", shown{{"h2c", shown{{"const", true}}}}})},
	)
}

func listenerKeys() []key {
	t := defaultListeners()[0].Timeouts
	certificate := mapping(func() []key {
		return []key{
			describe("cert", fileText(), "PEM file of the chain, relative to this file.").must("shop.crt"),
			describe("key", fileText(), "PEM file of the private key, relative to this file.").must("shop.key"),
		}
	})
	secret := mapping(func() []key {
		return []key{
			describe("name", text(namePattern), "Who asks, for the log.").must("app"),
			describe("file", fileText(), "The file that holds the secret, relative to this file.").must("app.token"),
		}
	})
	return []key{
		describe("address", text(addressPattern), "host:port; without a host every address.").must(`":8080"`),
		describe("tls", mapping(func() []key {
			return []key{describe("certificates", list(certificate, 1, 0), "The client's SNI chooses among them; the first is used when none fits.").must("[{cert: shop.crt, key: shop.key}]")}
		}), "Certificates; without them the listener speaks cleartext."),
		describe("h2c", boolean(), "HTTP/2 without TLS as well, with those who begin with its preface.").or("false").as("true"),
		describe("fast", boolean(), "Serve plain HTTP/1.1 in event loops where the system has them (Linux); false: net/http alone, as everywhere else and for TLS.").or(strconv.FormatBool(defaultFast)).as("false"),
		describe("pool", text(""), "Every request goes to this role or pool, whatever the weights.").as("idle"),
		describe("timeouts", mapping(func() []key {
			return []key{
				describe("header", duration(shortest, maxDuration), "From the first byte of a request to the end of its head.").or(brief(t.Header)).as("5s"),
				describe("idle", duration(shortest, maxDuration), "How long a client may leave us waiting: for its next request, for more of a body, for taking more of an answer.").or(brief(t.Idle)).as("30s"),
			}
		}), "Of the client's side."),
		describe("serve", words(ServeFlags), "Applications ask for flags here, in place of the services.").as(ServeFlags),
		describe("tokens", list(secret, 0, 0), "Who may ask for flags; without any everybody who reaches it.").as("[{name: app, file: app.token}]"),
		describe("cors", set(text(`^\*$|^https?://[^/?#@ A-Z]+$`), 0, 0), `Origins of pages that may ask for flags; "*" any.`).as("[https://shop.example.com]"),
	}
}

func adminKeys() []key {
	token := mapping(func() []key {
		return []key{
			describe("name", text(namePattern), "Who it was, in events and logs.").must("ci"),
			describe("role", words(Viewer, Operator), "A viewer reads, an operator also changes traffic.").must(string(Operator)),
			describe("file", fileText(), "The file that holds the secret, relative to this file.").must("ci.token"),
			describe("services", set(text(""), 1, 0), "The only services it may read and change; with no flags either, everything.").as("[web]"),
			describe("flags", set(text(`^[A-Za-z0-9][A-Za-z0-9._-]*\*?$|^\*$`), 1, 0), "The only flags, by name or by how names begin: checkout-*.").as("[new-checkout, checkout-*]"),
			describe("expires", text(`^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].*)?$`), "The last day it works, in UTC, or a moment.").as(`"2027-12-31"`),
		}
	})
	return []key{
		describe("address", text(addressPattern+"|^unix:/.{1,102}$"), "host:port or unix:/path; anything but loopback and sockets needs tokens.").or(defaultAdminAddress).as("unix:/run/switchback.sock"),
		describe("url", text(`^[Hh][Tt][Tt][Pp][Ss]?://[^#@? ]+$`), "Where people reach it, for links.").as("https://switchback.internal"),
		describe("hosts", list(text(`^[A-Za-z0-9._-]+$|^\[?[0-9A-Fa-f:.]+\]?$`), 0, 0), "Names it may be addressed by, beside IP literals and localhost.").as("[switchback.internal]"),
		describe("tokens", list(token, 0, 0), "Who may use it; without any everybody on this machine.").as("[{name: ci, role: operator, file: ci.token}]"),
	}
}

func trustKeys() []key {
	return []key{
		describe("proxies", list(text(rangePattern), 0, 0), "Peers whose X-Forwarded-* is kept and added to.").as("[10.0.0.0/8]"),
		describe("override", mapping(func() []key {
			return []key{
				describe("header", headerText(), "The header that names a pool or role.").or(defaultOverrideHeader).as("X-Pool"),
				describe("from", list(text(rangePattern), 0, 0), "Who may send it; nobody without any.").as("[10.20.0.0/16]"),
			}
		}), "Who may name a pool by hand."),
	}
}

// forbidden is a schema that refuses objects with one of these keys.
func forbidden(keys ...string) shown {
	var any []any
	for _, k := range keys {
		any = append(any, required(k))
	}
	return shown{{"not", shown{{"anyOf", any}}}}
}

func required(keys ...string) shown { return shown{{"required", keys}} }

// decimalText is a number as it stands in a file.
func decimalText(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// percentWritten is a fraction as it stands in a file.
func percentWritten(f float64) string { return percentOf(f).String() }

// stepsText is steps as they stand in a file.
func stepsText(all []Step) string {
	var w []string
	for _, s := range all {
		w = append(w, percentText(s.Weight))
	}
	return "[" + strings.Join(w, ", ") + "]"
}
