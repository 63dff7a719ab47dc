package h1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
)

// FuzzRequest: what is accepted here, net/http reads the same way.
func FuzzRequest(f *testing.F) {
	for _, tt := range requestCases {
		f.Add([]byte(tt.raw))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		r, bad := CheckRequest(head, Limits{})
		if bad != nil {
			return
		}
		br := bufio.NewReader(bytes.NewReader(head))
		req, err := http.ReadRequest(br)
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", head, err)
		}
		if br.Buffered() != 0 {
			t.Errorf("net/http ends the head %d bytes earlier", br.Buffered())
		}
		got := Request{
			Method: []byte(req.Method), Target: []byte(req.RequestURI), Host: []byte(req.Host),
			Framing: framingOf(req.TransferEncoding, req.ContentLength, req.Header), Length: max(req.ContentLength, 0),
			Version11: req.ProtoAtLeast(1, 1), Close: req.Close,
			// Not net/http's to say at this point.
			Upgrade: r.Upgrade, Expect: r.Expect, HostDiffers: r.HostDiffers,
		}
		if g, w := describeRequest(got), describeRequest(r); g != w {
			t.Errorf("of %q\nnet/http reads %s\n       we read %s", head, g, w)
		}
	})
}

// framingOf says what net/http made of the framing fields.
func framingOf(codings []string, length int64, h http.Header) Framing {
	switch {
	case len(codings) > 0:
		return Chunked
	case length > 0 || h["Content-Length"] != nil:
		return Length
	case length < 0:
		return UntilClose
	}
	return None
}

// FuzzResponse: what is accepted here, net/http reads the same way.
func FuzzResponse(f *testing.F) {
	for _, tt := range responseCases {
		f.Add([]byte(tt.raw), tt.method == "HEAD")
	}
	f.Fuzz(func(t *testing.T, head []byte, isHead bool) {
		method := "GET"
		if isHead {
			method = "HEAD"
		}
		r, bad := CheckResponse(head, method, Limits{})
		if bad != nil {
			if bad.Status != 502 {
				t.Errorf("refused with status %d", bad.Status)
			}
			return
		}
		br := bufio.NewReader(bytes.NewReader(head))
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http refuses %q: %v", head, err)
		}
		defer resp.Body.Close()
		got := Response{
			Status: resp.StatusCode, Version11: resp.ProtoAtLeast(1, 1), Close: resp.Close, Upgrade: r.Upgrade,
			Framing: framingOf(resp.TransferEncoding, resp.ContentLength, resp.Header), Length: max(resp.ContentLength, 0),
		}
		if resp.Body == http.NoBody && got.Framing != Length || r.Framing == None && resp.Body == http.NoBody {
			got.Framing, got.Length = None, 0
		}
		if r.Status == 304 || r.Status == 204 || r.Status < 200 || isHead {
			if resp.Body != http.NoBody && r.Version11 && !r.Close {
				t.Errorf("net/http sees a body in %q", head)
			}
			got.Framing = None
		}
		if g, w := describeResponse(got), describeResponse(r); g != w {
			t.Errorf("of %q\nnet/http reads %s\n       we read %s", head, g, w)
		}
	})
}

// FuzzChunks: what is accepted here, net/http decodes to its end, and that is where ours is.
func FuzzChunks(f *testing.F) {
	for _, tt := range chunkCases {
		f.Add([]byte(tt.raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := Chunks{Limits: Limits{MaxHead: 2048}} // net/http reads trailers up to 4 KiB
		n, done, bad := c.Scan(raw)
		if n < 0 || n > len(raw) || bad != nil && (n != 0 || done) {
			t.Fatalf("Scan of %d bytes = %d, %v, %v", len(raw), n, done, bad)
		}
		if !done {
			return
		}
		data, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(raw[:n])))
		if err != nil {
			t.Fatalf("net/http cannot decode %q: %v", raw[:n], err)
		}
		br := bufio.NewReader(io.MultiReader(strings.NewReader(post("Transfer-Encoding: chunked")), bytes.NewReader(raw)))
		req, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(req.Body)
		if err != nil || !bytes.Equal(body, data) {
			t.Fatalf("net/http reads %q of %q: %v", body, raw, err)
		}
		rest, _ := io.ReadAll(br)
		if len(rest) != len(raw)-n {
			t.Errorf("net/http leaves %d bytes of %q, we %d", len(rest), raw, len(raw)-n)
		}
	})
}

// FuzzSplit: what the scanners say does not depend on how the bytes arrive.
func FuzzSplit(f *testing.F) {
	for _, tt := range requestCases {
		f.Add([]byte(tt.raw+get()), []byte{1, 7}, false)
	}
	for _, tt := range responseCases {
		f.Add([]byte(tt.raw+tt.raw), []byte{1, 7}, true)
	}
	for _, tt := range chunkCases {
		f.Add([]byte(post("Transfer-Encoding: chunked")+tt.raw), []byte{100}, false)
	}
	f.Fuzz(func(t *testing.T, raw, cuts []byte, response bool) {
		run := func(pieces []string) string {
			if response {
				return scanExchanges(t, []exchange{{"GET", true}}, pieces)
			}
			return scanRequests(t, pieces)
		}
		whole := run([]string{string(raw)})
		if cut := run(cutUp(string(raw), cuts)); cut != whole {
			t.Errorf("of %q cut by %d\n  cut: %s\nwhole: %s", raw, cuts, cut, whole)
		}
	})
}

// cutUp cuts raw into pieces whose lengths are those of cuts, again and again.
func cutUp(raw string, cuts []byte) (pieces []string) {
	for i := 0; len(raw) > 0; i++ {
		n := len(raw)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		pieces, raw = append(pieces, raw[:n]), raw[n:]
	}
	return pieces
}
