package proxy

import (
	"github.com/switchback-proxy/switchback/config"
	"github.com/switchback-proxy/switchback/flags"
	"github.com/switchback-proxy/switchback/metrics"
	"github.com/switchback-proxy/switchback/router"
)

// user is what is known of the request's user: the key it came with, or the one minted for it.
func (x *exchange) user() flags.Context {
	var buf [64]byte
	return flags.Context{Key: string(x.decision.User(buf[:0]))}
}

// beginCompared counts the request for each flag under the judge whose percentage decided about its user:
// with those who have the flag, or with those who do not.
func (x *exchange) beginCompared() {
	d := &x.decision
	if d.Pool == nil || d.Cause < router.ByRule || len(d.Service.Compared) == 0 {
		return
	}
	user := x.user()
	for _, c := range d.Service.Compared {
		r := c.Flag.Evaluate(&user)
		if !r.Drawn {
			continue
		}
		side := c.Off
		if r.Has {
			side = c.On
		}
		sample := x.snap.recorders[side.Index].Cells().Begin(x.began, c.Of.Revision, sampleGroup(d))
		x.compared = append(x.compared, compared{sample, c.Of.Config})
	}
}

// compared is a request as it is counted for a flag. Service says what counts as failed.
type compared struct {
	metrics.Sample
	service *config.Service
}

// samples books something for every comparison that counts the request.
func (x *exchange) samples(book func(s *metrics.Sample, of *config.Service)) {
	if x.decision.Service == nil {
		return
	}
	book(&x.sample, x.decision.Service.Config)
	for i := range x.compared {
		book(&x.compared[i].Sample, x.compared[i].service)
	}
}
