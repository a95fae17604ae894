package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

// maxBody is far above any request that is answered.
const maxBody = 1 << 20

// Wanted is what both requests ask for.
type Wanted struct {
	// N networks of Seed, numbered from First: 5 to 9 are the same alone and in 0 to 9.
	N     int    `json:"n"`
	Seed  uint64 `json:"seed"`
	First uint64 `json:"first"`
	// Condition has a number per name of the generator's; none: the collection as a whole.
	Condition map[string]float32 `json:"condition,omitempty"`
}

// readJSON reads a request's body into one that holds the defaults.
func readJSON(w http.ResponseWriter, r *http.Request, request any) error {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	body.DisallowUnknownFields()
	err := body.Decode(request)
	if err == nil {
		if _, err = body.Token(); err == io.EOF {
			return nil
		}
		return wrong("body", "something follows the JSON object; send one object")
	}
	var typed *json.UnmarshalTypeError
	var long *http.MaxBytesError
	unknown, found := strings.CutPrefix(err.Error(), "json: unknown field ")
	switch {
	case found:
		return wrong(strings.Trim(unknown, `"`), "no such field; there are %s", strings.Join(fields(reflect.TypeOf(request).Elem()), ", "))
	case errors.As(err, &typed):
		return wrong(cmp.Or(typed.Field, "body"), "got %s; give %s", typed.Value, expected(typed.Type))
	case errors.As(err, &long):
		return refuse(http.StatusRequestEntityTooLarge, "body", "it has more than %d bytes; send less", long.Limit)
	case r.Context().Err() != nil:
		return err
	default:
		return wrong("body", "not a JSON object (%v); send one such as {\"n\": 1, \"seed\": 7}", err)
	}
}

// fields are the names in a request's JSON.
func fields(request reflect.Type) []string {
	var names []string
	for _, field := range reflect.VisibleFields(request) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func expected(kind reflect.Type) string {
	switch kind.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number from 0 to 2^64 - 1"
	case reflect.Float32:
		return "a number"
	case reflect.String:
		return "a string"
	default:
		return "an object"
	}
}

// options are the library's for what is wanted. One thread each: the workers are many.
func (s *Service) options(wanted *Wanted) (pdiff.Options, error) {
	options := pdiff.Options{
		Count: wanted.N, First: wanted.First, Seed: wanted.Seed, Steps: s.config.Steps, Threads: 1,
	}
	if wanted.N < 1 || wanted.N > s.config.MaxNetworks {
		return options, wrong("n", "it is %d; ask for 1 to %d at once", wanted.N, s.config.MaxNetworks)
	}
	if wanted.First > math.MaxUint64-uint64(wanted.N) {
		return options, wrong("first", "the last number passes 2^64; give a smaller first one")
	}
	names := s.generator.Conditions()
	for name := range wanted.Condition {
		if !slices.Contains(names, name) {
			return options, wrong("condition."+name, "no such condition; %s", offered(names))
		}
	}
	for _, name := range names {
		value, given := wanted.Condition[name]
		if !given && len(wanted.Condition) > 0 {
			return options, wrong("condition."+name, "it is missing; give a number for each of %s", strings.Join(names, ", "))
		}
		if given {
			options.Condition = append(options.Condition, value)
		}
	}
	return options, nil
}

func offered(names []string) string {
	if len(names) == 0 {
		return "this generator has none, so leave condition out"
	}
	return "there are " + strings.Join(names, ", ")
}
