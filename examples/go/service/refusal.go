package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

// refusal is every answer but 200: one line of JSON.
type refusal struct {
	status int
	// Field is the part of the request that is wrong; empty where it is not the request.
	Field   string `json:"field,omitempty"`
	Message string `json:"error"`
}

func (r *refusal) Error() string { return r.Message }

func refuse(status int, field, format string, values ...any) *refusal {
	return &refusal{status: status, Field: field, Message: field + ": " + fmt.Sprintf(format, values...)}
}

// wrong refuses a field of the request's body.
func wrong(field, format string, values ...any) error {
	return refuse(http.StatusBadRequest, field, format, values...)
}

var (
	errBusy    = &refusal{status: http.StatusServiceUnavailable, Message: "every worker is busy and the queue is full; try again later"}
	errTimeout = &refusal{status: http.StatusGatewayTimeout, Message: "not done in time; ask for fewer networks, or later"}
	errStopped = &refusal{status: http.StatusServiceUnavailable, Message: "the service stops; ask another instance"}
	// errLeft reaches only the metrics; 499 is nginx's status for it.
	errLeft = &refusal{status: 499, Message: "the client left"}
)

// refusalOf says what failed: the context where it is done, the request, or else the service.
func refusalOf(ctx context.Context, err error) *refusal {
	var known *refusal
	switch {
	case ctx.Err() != nil && errors.As(context.Cause(ctx), &known):
		return known
	case ctx.Err() != nil:
		return errLeft
	case errors.As(err, &known):
		return known
	case errors.Is(err, pdiff.ErrOutOfMemory):
		return &refusal{status: http.StatusServiceUnavailable, Message: err.Error()}
	default:
		slog.Error("request failed", "error", err)
		return &refusal{status: http.StatusInternalServerError, Message: err.Error()}
	}
}

// write answers with the refusal.
func (r *refusal) write(w http.ResponseWriter) {
	if r.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, r.status, r)
}
