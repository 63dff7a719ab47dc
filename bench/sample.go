//go:build linux

package main

import (
	"time"

	"github.com/switchback-proxy/switchback/bench/proc"
)

// sample is one measurement of one proxy.
type sample struct {
	outcome
	CPU time.Duration // of the proxy, all requests together
}

// micros is the processor time per request in microseconds.
func (s sample) micros() float64 {
	return float64(s.CPU.Nanoseconds()) / 1000 / float64(s.Answered+s.Failed)
}

// perSecond is how many requests are answered in a second.
func (s sample) perSecond() float64 { return float64(s.Answered) / s.Took.Seconds() }

// busy is the share of a core that the proxy used meanwhile, in percent.
func (s sample) busy() float64 { return 100 * s.CPU.Seconds() / s.Took.Seconds() }

// perCore is how many are answered in a second of processor time: a core that is busy throughout answers so many.
func (s sample) perCore() float64 { return float64(s.Answered) / s.CPU.Seconds() }

// memory is what a proxy had in one round before and while it held idle connections, and of how many.
type memory struct {
	before, after proc.Usage
	connections   int
}

// rss is how many KB of resident memory each connection added.
func (m memory) rss() float64 { return m.per(m.before.RSS, m.after.RSS) }

// pss is the same with shared pages counted once.
func (m memory) pss() float64 { return m.per(m.before.PSS, m.after.PSS) }

func (m memory) per(before, after int64) float64 {
	return float64(after-before) / 1024 / float64(m.connections)
}
