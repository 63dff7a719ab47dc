package main

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/switchback-proxy/switchback/admin/api"
	"github.com/switchback-proxy/switchback/demo"
)

// weightStep is how many percent a key moves.
const weightStep = 5

// commandOf is what a key stands for: the arguments of switchback as a person would type them now. nil is
// for a key that stands for none.
func commandOf(key string, shop api.Service) []string {
	switch key {
	case "left":
		return shift(shop, -weightStep)
	case "right":
		return shift(shop, weightStep)
	case "s":
		return []string{"rollout", "start", "shop"}
	case "c":
		return []string{"cutover", "shop", "--to", idle(shop)}
	case "r":
		return []string{"rollback", "shop"}
	case "p":
		if shop.Paused != nil {
			return []string{"resume", "shop"}
		}
		return []string{"pause", "shop"}
	}
	return nil
}

// shift moves traffic to green, or away from it. A rollout that runs has to be ended for that, which takes
// a reason.
func shift(shop api.Service, by float64) []string {
	green := min(max(shop.Weights.InForce["green"]+by, 0), 100)
	args := []string{"weights", "shop", "blue=" + decimal(100-green), "green=" + decimal(green)}
	if shop.Rollout.Running() {
		args = append(args, "--force", "--reason", "by hand")
	}
	return args
}

func decimal(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// idle is the pool that a cutover makes live.
func idle(shop api.Service) string {
	if shop.Roles.Idle != "" {
		return shop.Roles.Idle
	}
	return "green"
}

// typedLine writes arguments as they are typed.
func typedLine(args []string) string {
	words := []string{"switchback"}
	for _, a := range args {
		if strings.Contains(a, " ") {
			a = `"` + a + `"`
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// runTyped runs a command as the command line does, against the admin API at a URL, and returns what it
// wrote: on stdout, and when it failed on stderr.
func runTyped(ctx context.Context, args []string, admin string) (answer []string, failed bool) {
	var out bytes.Buffer
	code := run(ctx, args, strings.NewReader(""), &out, &out, func(name string) string {
		if name == "SWITCHBACK_ADMIN" {
			return admin
		}
		return ""
	})
	return strings.Split(strings.TrimSpace(out.String()), "\n"), code != exitDone
}

// The faults that a key switches on and off.
const (
	breakErrors  = 0.05
	breakLatency = 300 * time.Millisecond
	breakHang    = 0.1
)

// breaking is the fault after a key, and what that means. false: the key breaks nothing.
func breaking(key string, f demo.Fault) (demo.Fault, string, bool) {
	switch key {
	case "b":
		if toggle(&f.Errors, breakErrors) {
			return f, "green now answers 5 % of its requests with status 500", true
		}
		return f, "green fails no more", true
	case "l":
		if toggle(&f.Latency, breakLatency) {
			return f, "green now takes 300 ms longer for every answer; it is held against it after half a minute of a rollout", true
		}
		return f, "green answers at once again", true
	case "h":
		if toggle(&f.Hang, breakHang) {
			return f, "green now leaves 10 % of its requests without an answer", true
		}
		return f, "green answers every request again", true
	}
	return f, "", false
}

// toggle switches off whatever there is, or to a value, and reports whether it is on now.
func toggle[T float64 | time.Duration](v *T, to T) bool {
	if *v > 0 {
		to = 0
	}
	*v = to
	return to > 0
}
