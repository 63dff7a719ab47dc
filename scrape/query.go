package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/api"
	promapi "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/outbound"
)

const (
	mostAnswer   = 1 << 20
	queryTimeout = 10 * time.Second
)

// query asks a Prometheus server about the candidate, and about the baseline where they are compared.
type query struct {
	job   Job
	check config.Check
	call  Call
}

func (q *query) look(ctx context.Context) []Reading {
	now := time.Now()
	r := Reading{Check: q.check.Name, From: now, At: now, Candidate: nan, Baseline: nan}
	if q.check.Query.Names(func(d *config.QueryData) { d.Window = "1s" }) {
		r.From = now.Add(-q.check.Query.Window)
	}
	client, err := q.client()
	if err != nil {
		r.Err = printable(err.Error())
		return []Reading{r}
	}
	if r.Candidate, err = q.ask(ctx, client, &q.job.Tried, now); err == nil && q.check.MaxRatio > 0 {
		r.Baseline, err = q.ask(ctx, client, &q.job.Baseline, now)
	}
	if err != nil {
		r.Candidate, r.Baseline, r.Err = nan, nan, printable(err.Error())
	}
	return []Reading{r}
}

// client is the official one over our own way out. The token is read each time, so a new one needs no
// restart.
func (q *query) client() (promapi.API, error) {
	t := through{call: q.call}
	var err error
	if q.check.TokenFile != "" {
		if t.bearer, err = outbound.ReadSecret(q.check.TokenFile); err != nil {
			return nil, err
		}
	}
	c, err := api.NewClient(api.Config{Address: q.check.Query.URL, Client: &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		return nil, errors.New("the URL of the Prometheus server cannot be used")
	}
	return promapi.NewAPI(c), nil
}

// ask has one number for a pool. More than one series, or none, is no number: the query has to say which.
func (q *query) ask(ctx context.Context, client promapi.API, p *Pool, now time.Time) (float64, error) {
	text, err := q.check.Query.Render(config.QueryData{
		Service: q.job.Service, Pool: p.Name, Version: p.Version, Window: fmt.Sprintf("%.0fs", q.check.Query.Window.Seconds()),
	})
	if err != nil {
		return nan, err
	}
	got, _, _, err := client.Query(ctx, text, now, promapi.WithTimeout(queryTimeout))
	if err != nil {
		return nan, explain(err, q.check.Query.URL)
	}
	x, err := single(got)
	if err != nil {
		return nan, fmt.Errorf("the query for %s %w", p.Name, err)
	}
	return x, nil
}

func single(v model.Value) (float64, error) {
	var x float64
	switch v := v.(type) {
	case *model.Scalar:
		x = float64(v.Value)
	case model.Vector:
		switch len(v) {
		case 0:
			return nan, errors.New("found nothing")
		case 1:
			x = float64(v[0].Value)
			if v[0].Histogram != nil {
				return nan, errors.New("found a histogram, not a number")
			}
		default:
			return nan, fmt.Errorf("found %d series; aggregate them, with max or sum", len(v))
		}
	default:
		return nan, fmt.Errorf("gave a %s, not a number", v.Type())
	}
	if !finite(x) {
		return nan, fmt.Errorf("gave %v", x)
	}
	return x, nil
}

// explain leaves out the URL that net/http puts before what went wrong.
func explain(err error, server string) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	if p, ok := errors.AsType[*promapi.Error](err); ok {
		return fmt.Errorf("%s: %s: %s", outbound.Mask(server), p.Type, p.Msg)
	}
	return fmt.Errorf("%s: %w", outbound.Mask(server), err)
}

// through carries the requests of a library out by our own way, with all its guards.
type through struct {
	call   Call
	bearer string
}

// RoundTrip is that of http.RoundTripper.
func (t through) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	answer, err := t.call(req.Context(), outbound.Call{
		Method: req.Method, URL: req.URL.String(), Name: outbound.Mask(req.URL.String()), Header: req.Header, Bearer: t.bearer, Body: body,
		Timeout: queryTimeout, MaxBody: mostAnswer,
	})
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: answer.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: answer.Header,
		Body: io.NopCloser(bytes.NewReader(answer.Body)), ContentLength: int64(len(answer.Body)), Request: req,
	}, nil
}
