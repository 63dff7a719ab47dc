package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/switchback-proxy/switchback/admin/api"
)

// Flags is the part of a Controller that knows feature flags.
type Flags interface {
	Flags() api.Flags
	Flag(name string) (api.Flag, error)
	FlagHistory(name string) (api.FlagHistory, error)
	EvaluateFlag(ctx context.Context, name string, attributes map[string]any) (api.Evaluation, error)

	SetFlag(ctx context.Context, name string, q api.FlagRequest, c api.Call) (api.FlagChange, error)
	DropFlag(ctx context.Context, name string, q api.FlagRequest, c api.Call) (api.FlagChange, error)
	KillFlag(ctx context.Context, name string, q api.FlagRequest, c api.Call) (api.FlagChange, error)
	RestoreFlag(ctx context.Context, name string, q api.FlagRequest, c api.Call) (api.FlagChange, error)
}

const (
	maxFlagBody  = 1 << 20
	maxFlagDepth = 32
)

// flagMembers are what a definition says, and the reason of a write.
var flagMembers = []string{"strategy", "value", "users", "variants", "off_variant", "weights", "salt", "targeting", "reason"}

// flagRoutes are the endpoints of flags.
func (s *Server) flagRoutes(r chi.Router) {
	c := s.controller
	r.Get("/v1/flags", func(w http.ResponseWriter, r *http.Request) { answer(w, r, exchangeOf(r).scope.flags(c.Flags())) })
	r.Get("/v1/flags/{flag}", s.flag)
	r.Get("/v1/flags/{flag}/history", s.flagHistory)
	r.Post("/v1/flags/{flag}/evaluate", s.evaluate)
	r.Put("/v1/flags/{flag}", flagCommand(acceptDefinition, c.SetFlag))
	r.Delete("/v1/flags/{flag}", flagCommand(acceptReason, c.DropFlag))
	r.Post("/v1/flags/{flag}/kill", flagCommand(acceptReason, c.KillFlag))
	r.Post("/v1/flags/{flag}/restore", flagCommand(acceptReason, c.RestoreFlag))
	r.Post("/api/flags/{flag}", flagCommand(acceptShort, c.SetFlag))
}

func (s *Server) flag(w http.ResponseWriter, r *http.Request) {
	f, err := s.controller.Flag(pathParam(r, "flag"))
	if err != nil {
		refuse(w, r, err)
		return
	}
	setTag(w, f.Tag)
	answer(w, r, f)
}

func setTag(w http.ResponseWriter, tag string) { w.Header().Set("ETag", `"`+tag+`"`) }

func (s *Server) flagHistory(w http.ResponseWriter, r *http.Request) {
	h, err := s.controller.FlagHistory(pathParam(r, "flag"))
	if err != nil {
		refuse(w, r, err)
		return
	}
	answer(w, r, h)
}

// evaluate changes nothing; it is a POST because a context is too much for a query.
func (s *Server) evaluate(w http.ResponseWriter, r *http.Request) {
	var q api.EvaluationRequest
	if problem := decode(w, r, &q); problem != nil {
		refuse(w, r, problem)
		return
	}
	e, err := s.controller.EvaluateFlag(r.Context(), pathParam(r, "flag"), q.Context)
	if err != nil {
		refuse(w, r, err)
		return
	}
	answer(w, r, e)
}

// flagCommand makes the handler of a write on one flag.
func flagCommand(
	accept func(http.ResponseWriter, *http.Request) (api.FlagRequest, *api.Error),
	do func(context.Context, string, api.FlagRequest, api.Call) (api.FlagChange, error),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, problem := accept(w, r)
		if problem == nil {
			problem = condition(r, &q)
		}
		if problem != nil {
			refuse(w, r, problem)
			return
		}
		unlimitRead(w)
		x := exchangeOf(r)
		x.reason = q.Reason
		change, err := do(r.Context(), pathParam(r, "flag"), q, x.Call)
		if err != nil {
			refuse(w, r, err)
			return
		}
		x.changed = change.Changed
		replayed(w, change.Replayed)
		if change.Tag != "" {
			setTag(w, change.Tag)
		}
		status := http.StatusOK
		if change.Created && !change.DryRun && r.Method == http.MethodPut {
			status = http.StatusCreated
		}
		answerAs(w, r, status, change)
	}
}

// condition reads what the client believes of the flag, and refuses what is too long or not understood.
func condition(r *http.Request, q *api.FlagRequest) *api.Error {
	if problem := terms(r); problem != nil {
		return problem
	}
	if len(q.Reason) > maxReason {
		return invalid("reason has %d bytes; at most %d are kept.", len(q.Reason), maxReason)
	}
	tag := strings.Join(r.Header.Values("If-Match"), ", ")
	q.IfMatch = strings.Trim(tag, `"`)
	if strings.ContainsAny(q.IfMatch, `", `) {
		return invalid(`If-Match is %q; send one tag as the flag shows it, or *.`, clip(tag))
	}
	switch none := strings.Join(r.Header.Values("If-None-Match"), ", "); none {
	case "":
	case "*":
		q.New = true
	default:
		return invalid("If-None-Match is %q; it can only be *, for a flag that is not there yet.", clip(none))
	}
	return nil
}

// acceptReason reads a write that has nothing to say but why.
func acceptReason(w http.ResponseWriter, r *http.Request) (api.FlagRequest, *api.Error) {
	var q api.CommandRequest
	if problem := decode(w, r, &q); problem != nil {
		return api.FlagRequest{}, problem
	}
	return api.FlagRequest{Reason: q.Reason}, checkPlain(&q)
}

// acceptDefinition reads a whole definition.
func acceptDefinition(w http.ResponseWriter, r *http.Request) (api.FlagRequest, *api.Error) {
	if problem := checkContentType(r); problem != nil {
		return api.FlagRequest{}, problem
	}
	return readDefinition(w, r)
}

// acceptShort reads what pipelines send: the part of a definition that is to change, in JSON whatever the
// content type says. user_list is another word for users.
func acceptShort(w http.ResponseWriter, r *http.Request) (api.FlagRequest, *api.Error) {
	q, problem := readDefinition(w, r)
	q.Merge = true
	return q, problem
}

func readDefinition(w http.ResponseWriter, r *http.Request) (api.FlagRequest, *api.Error) {
	body, problem := readBody(w, r, maxFlagBody)
	if problem != nil {
		return api.FlagRequest{}, problem
	}
	if len(body) == 0 {
		return api.FlagRequest{}, invalid(`The body is empty; send a definition such as {"strategy": "percentage", "value": 5}.`)
	}
	if problem := checkJSON(body, flagMembers, maxFlagDepth); problem != nil {
		return api.FlagRequest{}, problem
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &members); err != nil {
		return api.FlagRequest{}, invalid("The body is not valid: %s.", err)
	}
	var q api.FlagRequest
	if reason, ok := members["reason"]; ok {
		if json.Unmarshal(reason, &q.Reason) != nil {
			return q, invalid("reason must be of type string.")
		}
		delete(members, "reason")
	}
	if string(members["strategy"]) == `"user_list"` {
		members["strategy"] = json.RawMessage(`"users"`)
	}
	definition, err := json.Marshal(members)
	if err != nil {
		return q, invalid("The body is not valid: %s.", err)
	}
	q.Definition = definition
	return q, nil
}
