package ofrep

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// code is an error in the words of OpenFeature.
type code string

const (
	codeParse        code = "PARSE_ERROR"
	codeTargetingKey code = "TARGETING_KEY_MISSING"
	codeContext      code = "INVALID_CONTEXT"
	codeUnknown      code = "FLAG_NOT_FOUND"
	codeGeneral      code = "GENERAL"
)

// failure is the body of every answer that is no success. Providers look for each of its members, whatever
// the status; some stop at one that is not there.
type failure struct {
	status  int
	Key     *string  `json:"key,omitempty"` // of the flag that was asked for; nil: none was
	Code    code     `json:"errorCode"`
	Details string   `json:"errorDetails"`
	Meta    struct{} `json:"metadata"`
}

func (f failure) json() []byte {
	b, _ := json.Marshal(f) // text can always be written
	return b
}

// refuse answers with a failure.
func refuse(w http.ResponseWriter, f failure) {
	w.Header()["Content-Type"] = isJSON
	w.WriteHeader(f.status)
	_, _ = w.Write(f.json()) // the client went away: nobody to tell
}

// refuseFor answers with a failure that passes by itself.
func refuseFor(w http.ResponseWriter, f failure, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	refuse(w, f)
}

const maxShown = 128 // bytes of what a client sent, in an answer

func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return s[:maxShown] + "…"
}
