package main

import (
	"net/http"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

// Networks is the JSON answer of POST /v1/networks.
type Networks struct {
	Wanted
	// Tensors hold all networks: each is [n, shape...].
	Tensors []Tensor `json:"tensors"`
}

// Tensor is a tensor in JSON.
type Tensor struct {
	Name  string  `json:"name"`
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
	// Data has the elements, row-major and little-endian, as base64.
	Data []byte `json:"data"`
}

func (s *Service) networks(w http.ResponseWriter, r *http.Request) error {
	kind, err := accepted(r.Header.Values("Accept"))
	if err != nil {
		return err
	}
	wanted := Wanted{N: 1}
	if err := readJSON(w, r, &wanted); err != nil {
		return err
	}
	options, err := s.options(&wanted)
	if err != nil {
		return err
	}
	// Until the answer is written, so that answers in memory are as bounded as work is.
	if err := s.gate.enter(r.Context()); err != nil {
		return err
	}
	defer s.gate.leave()
	tensors, err := s.generator.SampleTensors(r.Context(), options)
	if err != nil {
		return err
	}
	s.metrics.sampled.Add(float64(wanted.N))
	if kind == jsonKind {
		return writeJSON(w, http.StatusOK, Networks{Wanted: wanted, Tensors: inJSON(tensors)})
	}
	file, err := Safetensors(tensors, wanted)
	if err != nil {
		return err
	}
	writeBody(w, http.StatusOK, kind, file)
	return nil
}

func inJSON(tensors []pdiff.Tensor) []Tensor {
	out := make([]Tensor, len(tensors))
	for i, t := range tensors {
		out[i] = Tensor{Name: t.Name, DType: t.DType.String(), Shape: t.Shape, Data: t.Data}
	}
	return out
}
