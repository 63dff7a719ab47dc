package config

import "strconv"

// showCheck has the keys that its kind of check reads.
func showCheck(c Check) shown {
	var s shown
	switch c.Kind {
	case KindScrape:
		s = showScrape(c.Scrape)
	case KindServerTiming:
		s = shown{}.set("server_timing", c.ServerTiming).set("quantile", percentOf(c.Quantile)).set("max_ratio", plainNumber(c.MaxRatio))
	case KindRatio:
		s = shown{}.set("good", c.Good.text()).set("of", c.Of.text()).set("max_decrease", percentOf(c.MaxDecrease)).set("within", span(c.Within))
	case KindPrometheus:
		s = shown{}.set("prometheus", masked(c.Query.URL)).set("query", c.Query.Query).set("window", span(c.Query.Window)).some("token_file", c.TokenFile)
	case KindWebhook:
		s = shown{}.set("webhook", masked(c.Webhook)).some("token_file", c.TokenFile)
	default:
		s = showCounted(c)
	}
	if c.Kind.Fetched() {
		s = showHeld(s, c)
	}
	return s.some("observe_only", c.ObserveOnly)
}

// showCounted is a check of requests that the proxy counts itself.
func showCounted(c Check) shown {
	s := shown{}
	if c.Name == CheckSlow {
		s = s.set("over", span(c.Over))
	}
	if c.Quantile > 0 {
		return s.set("max_ratio", plainNumber(c.MaxRatio))
	}
	s = s.set("max_increase", percentOf(c.MaxIncrease)).set("max_ratio", plainNumber(c.MaxRatio))
	if c.Max > 0 {
		s = s.set("max", percentOf(c.Max))
	}
	if len(c.Also) > 0 {
		s = s.set("also", c.Also)
	}
	return s
}

func showScrape(c Scrape) shown {
	s := shown{}.set("scrape", c.Metric).some("per", string(c.Per)).set("path", c.Path)
	if c.Port > 0 {
		s = s.set("port", c.Port)
	}
	return s
}

// showHeld adds what values are held against, in their own unit. A ratio of 0 is no comparison.
func showHeld(s shown, c Check) shown {
	s = s.set("every", span(c.Every))
	if c.MaxRatio > 0 {
		s = s.set("max_ratio", plainNumber(c.MaxRatio)).set("max_increase", plainNumber(c.MaxIncrease))
	}
	if c.Max > 0 {
		s = s.set("max", plainNumber(c.Max))
	}
	return s
}

// text is the pattern as the file has it.
func (p Pattern) text() string {
	method, path := p.Method, p.Path
	if method == "" {
		method = "*"
	}
	if p.Below {
		if path == "/" {
			path = ""
		}
		path += "/*"
	}
	switch from, to := p.Status.From, p.Status.To; {
	case from == to:
		return method + " " + path + " " + strconv.Itoa(from)
	case to-from < 100:
		return method + " " + path + " " + strconv.Itoa(from/100) + "xx"
	}
	return method + " " + path
}
