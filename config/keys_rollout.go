package config

// rolloutShape is a rollout of a service.
func rolloutShape() shape { return mapping(rolloutKeys).called("rollout").orBlank() }

// flagRolloutShape is a rollout of a flag, which has no version that could start it.
func flagRolloutShape() shape {
	return mapping(func() []key {
		service := describe("service", text(""), "The service whose requests are compared.").must("web")
		start := describe("start", words(StartManual), "A person starts it.").or(string(StartManual))
		checks := describe("checks", mapping(checkKeys).called("flag_checks"), "What is compared; given, they replace those by default: errors, p50, p95, p99.").as("{errors: {max_increase: 0.5}}")
		checks.value.limits.least = 1
		all := []key{service, start}
		for _, k := range rolloutKeys() {
			switch k.name {
			case start.name:
			case checks.name: // the others compare pools, and those who have a flag are in all of them
				all = append(all, checks)
			default:
				all = append(all, k)
			}
		}
		return all
	}).called("flag_rollout")
}

func rolloutKeys() []key {
	window := text(`^\s*[A-Za-z,-]+\s+[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}\s+\S+\s*$`)
	return []key{
		describe("start", words(StartManual, StartVersion), "What begins it: a person, or a new version of the idle pool; then every pool has one.").or(string(StartManual)).as(string(StartVersion)),
		describe("steps", stepsShape(), "The weights of the candidate, each more than the one before; 100 need not be written. Or a plan by its name: linear10every1m, canary10for5m, bluegreen.").or(stepsText(defaultSteps())).as("[5, {weight: 25, for: 15m, approve: true}, 50]"),
		describe("windows", set(window, 1, mostWindows), "Times in which it goes forward by itself; without any always.").as(`["Mon-Thu 09:00-16:00 Europe/Zurich"]`),
		describe("bake", mapping(func() []key {
			return []key{
				describe("for", duration(shortestStep, maxWait), "How long; has to be given.").as("30m"),
				describe("holdback", holdbackShape(), "Percent that the baseline keeps, less than the last step below 100 leaves; has to be given.").as("2"),
			}
		}), "After the last step the baseline keeps a little for a while.").as("{for: 30m, holdback: 2}"),
		describe("deadline", duration(shortestStep, maxWait), "Of each step, longer than its for.").or(brief(defaultDeadline)).as("1h"),
		describe("undecided", words(UndecidedHold, UndecidedRollback, UndecidedLean), "What happens at the deadline while a check is not proven; lean goes on if it leans good.").or(string(UndecidedHold)).as(string(UndecidedLean)),
		describe("on_fail", words(FailRollback, FailStepBack, FailHold), "What happens when a check fails.").or(string(FailRollback)).as(string(FailHold)),
		describe("alpha", number(risk), "Percent of acceptable versions that are ever rolled back, at most.").or(percentWritten(defaultAlpha)).as("0.1"),
		describe("beta", number(risk), "Percent of unacceptable versions that pass a step, at most.").or(percentWritten(defaultBeta)).as("1"),
		describe("checks", checksShape(), "What is compared; given, they replace those by default: errors, p50, p95, p99.").as("{errors: {max_increase: 0.5}, p99: {max_ratio: 1.5}}"),
		describe("gates", list(mapping(gateKeys), 0, mostGates), "Who has to agree; 2xx opens.").as("[{at: promote, post: https://ci.example.com/verify}]"),
		describe("announce", list(announceShape(), 0, mostAnnounce), "Who is told every decision.").as("[{post: https://hooks.example.com/deploys}]"),
	}
}

func holdbackShape() shape {
	s := number(bounds{least: 0, most: mostHoldback.Percent(), open: true})
	s.below = true
	return s
}

func stepsShape() shape {
	weight := number(bounds{least: 0, most: 100, open: true})
	long := mapping(func() []key {
		return []key{
			describe("weight", weight, "Percent of the candidate, with at most two decimals.").must("25"),
			describe("for", duration(shortestStep, maxDuration), "The least it lasts.").or(brief(defaultStep)).as("15m"),
			describe("approve", boolean(), "A person has to agree as well.").or("false").as("true"),
		}
	})
	plan := text(`^(` + bluegreenPlan + `|linear[0-9]+(\.[0-9]+)?every[0-9A-Za-zµμ.]+|canary[0-9]+(\.[0-9]+)?for[0-9A-Za-zµμ.]+)$`)
	return oneOfForms(list(oneOfForms(weight, long).called("step"), 1, maxSteps), plan)
}

func gateKeys() []key {
	return []key{
		describe("at", words(GateStart, GatePromote, GateFinish), "When it is asked: before the first step, before each step after it, before 100.").must(string(GatePromote)),
		describe("post", text(callPattern), "The address that is asked.").must("https://ci.example.com/verify"),
		describe("token_file", fileText(), "A file with a bearer token.").as("ci.token"),
		describe("timeout", duration(shortestStep, maxDuration), "For all tries.").or(brief(defaultGateTime)).as("10m"),
	}
}

func announceShape() shape {
	return mapping(func() []key {
		return []key{
			describe("post", text(callPattern), "The address that gets JSON.").as("https://hooks.example.com/deploys"),
			describe("token_file", fileText(), "A file with a bearer token, for post.").as("hooks.token"),
			describe("slack_file", fileText(), "A file with the address of a webhook that takes what Slack's takes, in place of post.").as("slack.url"),
		}
	}).demanding(
		shownField{"oneOf", []any{required("post"), required("slack_file")}},
		shownField{"dependencies", shown{{"token_file", []string{"post"}}}},
	)
}
