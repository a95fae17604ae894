package main

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

// Safetensors is a file in that format (github.com/huggingface/safetensors): the length of a JSON
// header, the header, the tensors' bytes. What was wanted is its metadata, so that it can be asked
// for again.
func Safetensors(tensors []pdiff.Tensor, wanted Wanted) ([]byte, error) {
	about, err := json.Marshal(wanted)
	if err != nil {
		return nil, err
	}
	type entry struct {
		DType   string  `json:"dtype"`
		Shape   []int64 `json:"shape"`
		Offsets [2]int  `json:"data_offsets"`
	}
	header := map[string]any{"__metadata__": map[string]string{"request": string(about)}}
	// Wide elements first keeps every tensor aligned.
	tensors = slices.Clone(tensors)
	slices.SortStableFunc(tensors, func(a, b pdiff.Tensor) int { return width(b) - width(a) })
	end := 0
	for _, t := range tensors {
		begin := end
		end += len(t.Data)
		header[t.Name] = entry{DType: t.DType.String(), Shape: t.Shape, Offsets: [2]int{begin, end}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	file := make([]byte, 8, 8+len(text)+end)
	binary.LittleEndian.PutUint64(file, uint64(len(text)))
	file = append(file, text...)
	for _, t := range tensors {
		file = append(file, t.Data...)
	}
	return file, nil
}

// width is the bytes of an element.
func width(t pdiff.Tensor) int {
	elements := 1
	for _, length := range t.Shape {
		elements *= int(length)
	}
	return len(t.Data) / max(elements, 1)
}
