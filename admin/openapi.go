package admin

import (
	_ "embed"
	"net/http"
)

// contract is the OpenAPI document of the routes. A test writes it from them and keeps it true.
//
//go:embed openapi.json
var contract []byte

func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(contract) // the client went away: nobody to tell
}
