package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
)

// endpoint is a POST whose context is done after the timeout, when the client leaves and when the
// service must stop. What fails is answered here, and nowhere else.
func (s *Service) endpoint(name string, serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return s.metrics.measured(name, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			refuse(http.StatusMethodNotAllowed, "method", "%s is not answered here; use POST", r.Method).write(w)
			return
		}
		ctx, cancel := context.WithTimeoutCause(r.Context(), s.config.Timeout, errTimeout)
		defer cancel()
		if err := serve(w, r.WithContext(ctx)); err != nil {
			refusalOf(ctx, err).write(w)
		}
	})
}

// writeJSON writes a value as one line, or nothing when it has no JSON.
func writeJSON(w http.ResponseWriter, status int, value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	writeBody(w, status, "application/json", append(line, '\n'))
	return nil
}

// writeBody writes a whole answer. That the client may have left by then is no failure.
func writeBody(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}
