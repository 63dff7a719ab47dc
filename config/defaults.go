package config

import "time"

// What a file means when it is silent. The values are part of the product: changing one changes how
// files that exist behave.

const (
	defaultAdminAddress   = "127.0.0.1:9900"
	defaultStateDir       = "./switchback-data"
	defaultLogLevel       = "info"
	defaultOverrideHeader = "Switchback-Pool"
	defaultHost           = "preserve"
	defaultFast           = true
	defaultDrain          = 30 * time.Second
	defaultLongLived      = 10 * time.Minute
	defaultSpread         = 60 * time.Second
	defaultPath           = "/"
	defaultTargetWeight   = 1
)

func defaultListeners() []Listener {
	l := Listener{Name: "web", Address: ":8080", Fast: defaultFast}
	setTimeouts(&l)
	return []Listener{l}
}

func setTimeouts(l *Listener) {
	l.Timeouts.Header = 10 * time.Second
	l.Timeouts.Idle = 60 * time.Second
}

func defaultShutdown() Shutdown { return Shutdown{Delay: 0, Timeout: 30 * time.Second} }

func defaultTimeouts() Timeouts {
	return Timeouts{
		Connect:        2 * time.Second,
		ResponseHeader: 30 * time.Second,
		Idle:           90 * time.Second,
		Request:        0,
	}
}

func defaultHealth() Health {
	return Health{
		Path:       "/",
		Every:      5 * time.Second,
		Timeout:    time.Second,
		Passes:     2,
		Fails:      3,
		Status:     []StatusRange{{From: 200, To: 299}},
		PanicBelow: 50,
	}
}

// The defaults of a rollout. Percent in the file, fractions here.
const (
	defaultDeadline     = 30 * time.Minute
	defaultStep         = 60 * time.Second
	defaultAlpha        = 0.01
	defaultBeta         = 0.05
	defaultMaxIncrease  = 0.002
	defaultShareRatio   = 1.0
	defaultLatencyRatio = 1.2
)

func defaultSteps() []Step {
	var all []Step
	for _, w := range []Weight{500, 2500, 5000, Full} {
		all = append(all, Step{Weight: w, For: defaultStep})
	}
	return all
}

func defaultChecks() []Check {
	return []Check{
		{Name: CheckErrors, MaxRatio: defaultShareRatio, MaxIncrease: defaultMaxIncrease},
		{Name: CheckP50, Quantile: 0.5, MaxRatio: defaultLatencyRatio},
		{Name: CheckP95, Quantile: 0.95, MaxRatio: defaultLatencyRatio},
		{Name: CheckP99, Quantile: 0.99, MaxRatio: defaultLatencyRatio},
	}
}
