package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"
	"testing"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

const request = `{"n": 3, "seed": 7, "first": 2, "condition": {"load": 1, "speed": 1.5}}`

// wanted is what the request above asks for, straight from the library.
func wanted(t *testing.T, s *Service) []pdiff.Tensor {
	t.Helper()
	tensors, err := s.generator.SampleTensors(context.Background(),
		pdiff.Options{Count: 3, Seed: 7, First: 2, Condition: []float32{1.5, 1}})
	ok(t, err)
	return tensors
}

func flowing(t *testing.T) (*Service, string) {
	c := config()
	c.Generator, c.Network = flow, ""
	return begin(t, c)
}

func TestNetworksInJSONAreTheLibrarys(t *testing.T) {
	s, url := flowing(t)
	got := asked[Networks](t, url+"/v1/networks", request)
	if got.N != 3 || got.Seed != 7 || got.First != 2 || got.Condition["speed"] != 1.5 {
		t.Fatal(got.Wanted)
	}
	tensors := wanted(t, s)
	if len(got.Tensors) != len(tensors) {
		t.Fatal(len(got.Tensors))
	}
	for i, tensor := range tensors {
		g := got.Tensors[i]
		if g.Name != tensor.Name || g.DType != tensor.DType.String() || !slices.Equal(g.Shape, tensor.Shape) || !bytes.Equal(g.Data, tensor.Data) {
			t.Fatalf("%v is not %v", g, tensor)
		}
	}
}

func TestNetworksInSafetensorsAreTheLibrarys(t *testing.T) {
	s, url := flowing(t)
	for _, accept := range []string{safetensorsKind, bytesKind, "text/html;q=.9, " + safetensorsKind + ", */*;q=.1"} {
		a, err := post(context.Background(), url+"/v1/networks", request, accept)
		ok(t, err)
		if kind := a.header.Get("Content-Type"); a.status != 200 || kind != safetensorsKind && kind != bytesKind {
			t.Fatalf("%d %s: %s", a.status, kind, a.body)
		}
		length := binary.LittleEndian.Uint64(a.body)
		data := a.body[8+length:]
		var header map[string]struct {
			DType   string `json:"dtype"`
			Shape   []int64
			Offsets [2]int `json:"data_offsets"`
			Request string
		}
		ok(t, json.Unmarshal(a.body[8:8+length], &header))
		var about Wanted
		ok(t, json.Unmarshal([]byte(header["__metadata__"].Request), &about))
		if about.N != 3 || about.Seed != 7 || about.Condition["load"] != 1 {
			t.Fatal(about)
		}
		tensors, covered := wanted(t, s), 0
		for _, tensor := range tensors {
			h := header[tensor.Name]
			if h.DType != tensor.DType.String() || !slices.Equal(h.Shape, tensor.Shape) || !bytes.Equal(data[h.Offsets[0]:h.Offsets[1]], tensor.Data) {
				t.Fatalf("%v is not %v", h, tensor)
			}
			if at := 8 + int(length) + h.Offsets[0]; at%width(tensor) != 0 {
				t.Fatalf("%s lies at %d, unaligned", tensor.Name, at)
			}
			covered += len(tensor.Data)
		}
		if covered != len(data) || len(header) != len(tensors)+1 {
			t.Fatal("holes, or more than was asked for: ", covered, len(data), len(header))
		}
	}
}

func TestTheDefaultIsOneNetworkOfSeed0(t *testing.T) {
	_, url := flowing(t)
	got := asked[Networks](t, url+"/v1/networks", `{}`)
	if got.N != 1 || got.Seed != 0 || got.Tensors[0].Shape[0] != 1 {
		t.Fatal(got)
	}
}
