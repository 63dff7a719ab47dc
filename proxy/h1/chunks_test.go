package h1

import (
	"fmt"
	"strings"
	"testing"
)

// ext is a chunk of one byte with an extension of n bytes.
func ext(n int) string { return "1;" + strings.Repeat("e", n-1) + "\r\nx\r\n" }

var chunkCases = []struct {
	name, raw, want string
}{
	// Whole bodies.
	{"empty body", "0\r\n\r\n", "done 5"},
	{"one chunk", "3\r\nabc\r\n0\r\n\r\n", "done 13"},
	{"two chunks", "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", "done 19"},
	{"upper and lower case", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "done 35"},
	{"data looks like a chunk", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "done 15"},
	{"last chunk of many zeros", "0000000000000000\r\n\r\n", "done 20"},
	{"leading zeros", "0000000000000003\r\nabc\r\n0\r\n\r\n", "done 28"},
	{"bytes behind the body", "0\r\n\r\nGET / HTTP/1.1", "done 5"},
	{"crlf behind the body", "0\r\n\r\n\r\n", "done 5"},

	// Bodies that are not complete.
	{"nothing", "", "more 0"},
	{"size without end", "3", "more 0"},
	{"size with cr", "3\r", "more 0"},
	{"data not complete", "3\r\nab", "more 5"},
	{"data without end", "3\r\nabc", "more 6"},
	{"data with cr", "3\r\nabc\r", "more 6"},
	{"no last chunk", "3\r\nabc\r\n", "more 8"},
	{"last chunk without end", "0\r\n", "more 3"},
	{"last chunk with cr", "0\r\n\r", "more 3"},
	{"trailer not complete", "0\r\nX: y\r\n", "more 3"},
	{"largest size", "7fffffffffffffff\r\nabc", "more 21"},

	// Sizes.
	{"no size", "\r\n", "0 400 bad-chunk-size"},
	{"empty line between chunks", "1\r\nx\r\n\r\n0\r\n\r\n", "6 400 bad-chunk-size"},
	{"minus", "-1\r\n", "0 400 bad-chunk-size"},
	{"plus", "+1\r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-size"},
	{"0x", "0x1\r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-size"},
	{"no hexadecimal digit", "g\r\n", "0 400 bad-chunk-size"},
	{"underscore", "1_0\r\n", "0 400 bad-chunk-size"},
	{"comma", "1,0\r\n", "0 400 bad-chunk-size"},
	{"space before size", " 1\r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-size"},
	{"nul after size", "1\x00\r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-size"},
	{"17 digits", "00000000000000001\r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-size"},
	{"2^63", "8000000000000000\r\n", "0 400 chunk-size-overflow"},
	{"2^64-1", "ffffffffffffffff\r\n", "0 400 chunk-size-overflow"},
	{"2^64+1", "10000000000000001\r\nx", "0 400 bad-chunk-size"},
	{"space after size", "1 \r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-size"},
	{"space and letter after size", "1 x\r\n", "0 400 bad-chunk-size"},

	// Line ends.
	{"size with lf", "1\nx\r\n0\r\n\r\n", "0 400 bare-lf"},
	{"size with cr and letter", "1\rx\r\n0\r\n\r\n", "0 400 bare-cr"},
	{"size with two cr", "1\r\r\nx\r\n0\r\n\r\n", "0 400 bare-cr"},
	{"extension with lf", "1;a\nx\r\n0\r\n\r\n", "0 400 bare-lf"},
	{"extension with cr", "1;a\rb\r\nx\r\n0\r\n\r\n", "0 400 bare-cr"},
	{"data too long", "3\r\nabcd\r\n0\r\n\r\n", "6 400 bad-chunk-end"},
	{"data too short", "3\r\nab\r\n0\r\n\r\n", "6 400 bad-chunk-end"},
	{"data with lf", "3\r\nabc\n0\r\n\r\n", "6 400 bad-chunk-end"},
	{"data with cr and letter", "3\r\nabc\rx", "6 400 bad-chunk-end"},
	{"data without line end", "3\r\nabc0\r\n\r\n", "6 400 bad-chunk-end"},
	{"last chunk with lf", "0\n\r\n", "0 400 bare-lf"},
	{"end with lf", "0\r\n\n", "3 400 bare-lf"},

	// Extensions.
	{"extension", "1;a\r\nx\r\n0\r\n\r\n", "done 13"},
	{"extension with value", "1;a=b;c=\"d e\"\r\nx\r\n0;z\r\n\r\n", "done 25"},
	{"extension after space", "1 \t;a\r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-size"},
	{"spaces inside extension", "1; a = b\t\r\nx\r\n0\r\n\r\n", "done 19"},
	{"empty extension", "1;\r\nx\r\n0\r\n\r\n", "done 12"},
	{"extension at the limit", ext(256) + "0\r\n\r\n", "done 267"},
	{"extension above the limit", ext(257) + "0\r\n\r\n", "0 400 chunk-extension-too-long"},
	{"extensions above the limit", strings.Repeat(ext(256), 61), "15720 400 chunk-extension-too-long"},
	{"nul in extension", "1;a\x00\r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-extension"},
	{"del in extension", "1;a\x7f\r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-extension"},
	{"high byte in extension", "1;a\xff\r\nx\r\n0\r\n\r\n", "0 400 bad-chunk-extension"},

	// Trailers.
	{"trailer", "0\r\nX-Sum: 1\r\n\r\n", "done 15"},
	{"two trailers", "0\r\nX: y\r\nY:\r\n\r\n", "done 15"},
	{"trailer with lf", "0\r\nX: y\n\r\n", "3 400 bare-lf"},
	{"trailer folded", "0\r\nX: y\r\n z\r\n\r\n", "3 400 obs-fold"},
	{"trailer without colon", "0\r\nX\r\n\r\n", "3 400 bad-field-name"},
	{"trailer with space before colon", "0\r\nX : y\r\n\r\n", "3 400 space-before-colon"},
	{"trailer with nul", "0\r\nX: \x00\r\n\r\n", "3 400 bad-field-value"},
	{"trailer with cr", "0\r\nX: a\rb\r\n\r\n", "3 400 bare-cr"},
	{"trailer content-length", "0\r\nContent-Length: 3\r\n\r\n", "3 400 bad-trailer"},
	{"trailer transfer-encoding", "0\r\nX: y\r\ntransfer-encoding: chunked\r\n\r\n", "3 400 bad-trailer"},
	{"trailer transfer_encoding", "0\r\nTransfer_Encoding: chunked\r\n\r\n", "3 400 bad-trailer"},
	{"trailer host", "0\r\nHOST: b\r\n\r\n", "3 400 bad-trailer"},
	{"trailer connection", "0\r\nConnection: close\r\n\r\n", "3 400 bad-trailer"},
	{"trailer trailer", "0\r\nTrailer: X\r\n\r\n", "3 400 bad-trailer"},
	{"trailer authorization", "0\r\nAuthorization: x\r\n\r\n", "3 400 bad-trailer"},
	{"trailer x-forwarded-for", "0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", "3 400 bad-trailer"},
	{"trailer of the product", "0\r\nSwitchback-Pool: green\r\n\r\n", "3 400 bad-trailer"},
	{"trailers at the limit of fields", "0\r\n" + msg(times(12)...), "done 103"},
	{"trailers above the limit of fields", "0\r\n" + msg(times(13)...), "3 431 too-many-fields"},
	{"trailers at the limit of bytes", "0\r\nX: " + strings.Repeat("y", 1024-7) + "\r\n\r\n", "done 1027"},
	{"trailers above the limit of bytes", "0\r\nX: " + strings.Repeat("y", 1024-6) + "\r\n\r\n", "3 431 head-too-large"},
}

// scanChunks feeds the pieces and says how many bytes were sound and how it ended.
func scanChunks(t testing.TB, pieces []string) string {
	t.Helper()
	c := &Chunks{Limits: lim}
	var buf []byte
	total := 0
	for _, piece := range pieces {
		buf = append(buf, piece...)
		for {
			sure := c.Ahead()
			n, done, bad := c.Scan(buf)
			if want := int(min(sure, int64(len(buf)))); n < want {
				t.Fatalf("Scan passed %d bytes, Ahead promised %d", n, want)
			}
			total, buf = total+n, buf[n:]
			switch {
			case bad != nil && n > 0:
				t.Fatalf("Scan refused with n = %d", n)
			case bad != nil:
				return fmt.Sprintf("%d %s", total, refused(bad))
			case done:
				return fmt.Sprintf("done %d", total)
			}
			if n == 0 {
				break
			}
		}
	}
	return fmt.Sprintf("more %d", total)
}

func TestChunks(t *testing.T) {
	if len(chunkCases) < 40 {
		t.Errorf("only %d cases", len(chunkCases))
	}
	for _, tt := range chunkCases {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.raw) > 4096 {
				if got := scanChunks(t, []string{tt.raw}); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				return
			}
			got := sameInSplits(t, tt.raw, func(pieces []string) string { return scanChunks(t, pieces) })
			if got != tt.want {
				t.Errorf("Chunks over %q\n got %s\nwant %s", tt.raw, got, tt.want)
			}
		})
	}
}

func TestChunksAfterTheEnd(t *testing.T) {
	var c Chunks
	if n, done, bad := c.Scan([]byte("0\r\n\r\nx")); n != 5 || !done || bad != nil {
		t.Fatalf("Scan = %d, %v, %v", n, done, bad)
	}
	if n, done, bad := c.Scan([]byte("x")); n != 0 || !done || bad != nil {
		t.Errorf("Scan after the end = %d, %v, %v", n, done, bad)
	}
}
