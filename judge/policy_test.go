package judge

// defaultPolicy has the checks of a rollout that names none.
func defaultPolicy() Policy {
	return Policy{Checks: []Check{
		{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: 0.002},
		{Name: "p50", Kind: Latency, Quantile: 0.5, MaxRatio: 1.2},
		{Name: "p95", Kind: Latency, Quantile: 0.95, MaxRatio: 1.2},
		{Name: "p99", Kind: Latency, Quantile: 0.99, MaxRatio: 1.2},
	}}
}

// errorsOnly spends all of alpha on one check.
func errorsOnly(increase float64) Policy {
	return Policy{Checks: []Check{{Name: "errors", Kind: Errors, MaxRatio: 1, MaxIncrease: increase}}}
}
