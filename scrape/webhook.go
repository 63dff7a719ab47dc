package scrape

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/outbound"
)

const (
	mostOpinion    = 64 << 10
	webhookTimeout = 10 * time.Second
)

// webhook asks a URL for a number or a verdict.
type webhook struct {
	job   Job
	check config.Check
	call  Call
}

// question is what the URL is sent.
type question struct {
	Service   string  `json:"service"`
	Check     string  `json:"check"`
	Rollout   string  `json:"rollout"`
	Step      int     `json:"step"`
	Candidate subject `json:"candidate"`
	Baseline  subject `json:"baseline"`
}

type subject struct {
	Pool    string   `json:"pool"`
	Version string   `json:"version"`
	Targets []string `json:"targets"`
}

// opinion is what it may answer: a verdict, or a value and the baseline's where they are compared.
type opinion struct {
	Verdict  *string  `json:"verdict"`
	Reason   string   `json:"reason"`
	Value    *float64 `json:"value"`
	Baseline *float64 `json:"baseline"`
}

// describe says which pool is meant.
func describe(p *Pool) subject {
	s := subject{Pool: p.Name, Version: p.Version, Targets: []string{}}
	for _, t := range p.Targets {
		s.Targets = append(s.Targets, t.URL)
	}
	return s
}

func (w *webhook) look(ctx context.Context) []Reading {
	now := time.Now()
	r := Reading{Check: w.check.Name, From: now, At: now, Candidate: nan, Baseline: nan}
	err := w.ask(ctx, &r)
	r.At = time.Now()
	if err != nil {
		r.Candidate, r.Baseline, r.Err = nan, nan, printable(err.Error())
	}
	return []Reading{r}
}

func (w *webhook) ask(ctx context.Context, r *Reading) error {
	body, err := json.Marshal(question{
		Service: w.job.Service, Check: w.check.Name, Rollout: w.job.Rollout, Step: w.job.Step,
		Candidate: describe(&w.job.Tried), Baseline: describe(&w.job.Baseline),
	})
	if err != nil {
		return err
	}
	call := outbound.Call{
		Method: http.MethodPost, URL: w.check.Webhook, Body: body, Timeout: webhookTimeout, MaxBody: mostOpinion,
		Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
	}
	if w.check.TokenFile != "" {
		if call.Bearer, err = outbound.ReadSecret(w.check.TokenFile); err != nil {
			return err
		}
	}
	answer, err := w.call(ctx, call)
	if err != nil {
		return err
	}
	host := outbound.Mask(w.check.Webhook)
	if !answer.OK() {
		return fmt.Errorf("%s answered %d", host, answer.Status)
	}
	o, err := read(answer.Body)
	if err == nil {
		err = w.take(o, r)
	}
	if err != nil {
		return fmt.Errorf("%s %w", host, err)
	}
	return nil
}

var errNonsense = errors.New(`answered neither {"verdict": "pass"} nor {"value": 1.5} as JSON`)

// read takes an object, or a bare number or verdict.
func read(body []byte) (opinion, error) {
	var o opinion
	d := json.NewDecoder(bytes.NewReader(body))
	var raw json.RawMessage
	if d.Decode(&raw) != nil {
		return opinion{}, errNonsense
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return opinion{}, errNonsense // more than one value
	}
	if raw[0] == '{' {
		if json.Unmarshal(raw, &o) != nil || o.Verdict == nil && o.Value == nil || o.Verdict != nil && o.Value != nil {
			return opinion{}, errNonsense
		}
		return o, nil
	}
	switch raw[0] {
	case '"':
		err := json.Unmarshal(raw, &o.Verdict)
		return o, err
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if json.Unmarshal(raw, &o.Value) == nil {
			return o, nil
		}
	}
	return opinion{}, errNonsense
}

// take checks that the answer is of the kind that the file expects.
func (w *webhook) take(o opinion, r *Reading) error {
	switch {
	case w.check.Verdicts() && o.Verdict == nil:
		return errors.New("answered with a number; set max_ratio, max_increase or max to hold it against something")
	case !w.check.Verdicts() && o.Value == nil:
		return errors.New("answered with a verdict where a number is compared; remove max_ratio, max_increase and max for verdicts")
	case o.Verdict != nil:
		return takeVerdict(o, r)
	case w.check.MaxRatio > 0 && o.Baseline == nil:
		return errors.New(`answered without the baseline's number; add "baseline" beside "value"`)
	}
	r.Candidate = *o.Value
	if o.Baseline != nil {
		r.Baseline = *o.Baseline
	}
	return nil
}

func takeVerdict(o opinion, r *Reading) error {
	switch *o.Verdict {
	case "pass":
		r.Candidate = 0
	case "fail":
		r.Candidate = 1
	case "undecided":
		if o.Reason != "" {
			return fmt.Errorf("is undecided: %s", printable(o.Reason))
		}
		return errors.New("is undecided")
	default:
		return fmt.Errorf("answered the verdict %q; it is pass, fail or undecided", printable(*o.Verdict))
	}
	return nil
}
