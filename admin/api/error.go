package api

import (
	"fmt"
	"net/http"
)

// Error is an RFC 9457 problem, the only error that crosses HTTP. It is one of the Types below.
type Error struct {
	Type    string   `json:"type"`  // one of the Type constants
	Title   string   `json:"title"` // the same for every problem of a type
	Status  int      `json:"status"`
	Detail  string   `json:"detail"`            // what happened, where, and what to do
	Targets []Target `json:"targets,omitempty"` // those that are not up, with TypePoolNotReady
	Undo    string   `json:"undo,omitempty"`
}

// The problem types.
const (
	TypeInvalid            = "invalid"
	TypeUnauthorized       = "unauthorized"
	TypeForbidden          = "forbidden"
	TypeNotFound           = "not-found"
	TypeUnexpectedLivePool = "unexpected-live-pool"
	TypeRolloutInProgress  = "rollout-in-progress"
	TypeNothingToRollBack  = "nothing-to-roll-back"
	TypeStaleRevision      = "stale-revision"
	TypePoolNotReady       = "pool-not-ready"
	TypeStoreUnavailable   = "store-unavailable"
	TypeInternal           = "internal"
)

type kind struct {
	status int
	title  string
}

// kinds is the one table from problem types to status codes.
var kinds = map[string]kind{
	TypeInvalid:            {http.StatusBadRequest, "The request is not valid"},
	TypeUnauthorized:       {http.StatusUnauthorized, "A valid token is needed"},
	TypeForbidden:          {http.StatusForbidden, "Not allowed"},
	TypeNotFound:           {http.StatusNotFound, "No such thing"},
	TypeUnexpectedLivePool: {http.StatusConflict, "Another pool is live"},
	TypeRolloutInProgress:  {http.StatusConflict, "A rollout is in progress"},
	TypeNothingToRollBack:  {http.StatusConflict, "Nothing to roll back"},
	TypeStaleRevision:      {http.StatusPreconditionFailed, "The service changed meanwhile"},
	TypePoolNotReady:       {http.StatusUnprocessableEntity, "The pool is not ready"},
	TypeStoreUnavailable:   {http.StatusServiceUnavailable, "The state cannot be written"},
	TypeInternal:           {http.StatusInternalServerError, "Internal error"},
}

// Problem makes an Error of a type; an unknown type becomes TypeInternal.
func Problem(typ, format string, args ...any) *Error {
	k, ok := kinds[typ]
	if !ok {
		typ, k = TypeInternal, kinds[TypeInternal]
	}
	return &Error{Type: typ, Title: k.title, Status: k.status, Detail: fmt.Sprintf(format, args...)}
}

// Error is the detail, which stands on its own.
func (e *Error) Error() string { return e.Detail }
