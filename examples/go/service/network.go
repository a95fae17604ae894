package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

// Network is a chain of convolutions and linear layers with ReLU between them, as a JSON file
// describes it; the sizes are those of the generator's tensors.
type Network struct {
	Input   Input    `json:"input"`
	Layers  []Layer  `json:"layers"`
	Classes []string `json:"classes"`
}

// Input is the image that a network takes.
type Input struct {
	// Shape is channels, height, width.
	Shape Shape `json:"shape"`
	// Mean and Deviation of each channel, of pixels between 0 and 1.
	Mean      []float32 `json:"mean"`
	Deviation []float32 `json:"deviation"`
}

// Shape is channels, height, width.
type Shape [3]int

func (s Shape) size() int { return s[0] * s[1] * s[2] }

// Layer has the tensors Name.weight and Name.bias.
type Layer struct {
	Name string `json:"name"`
	// Pool takes the largest of each 2x2 block after a convolution.
	Pool bool `json:"pool,omitempty"`

	weight, bias pdiff.TensorInfo
	in, out      Shape // before pooling
}

func (l *Layer) isConvolution() bool { return len(l.weight.Shape) == 4 }

// ReadNetwork reads a description and finds each layer's tensors among the generated ones.
func ReadNetwork(path string, tensor func(string) (pdiff.TensorInfo, bool)) (*Network, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var n Network
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&n); err != nil {
		return nil, fmt.Errorf("%w; describe the network as README.md does", err)
	}
	return &n, n.bind(tensor)
}

// bind checks that the layers fit the tensors, each other and the classes.
func (n *Network) bind(tensor func(string) (pdiff.TensorInfo, bool)) error {
	channels := n.Input.Shape[0]
	switch {
	case slices.Min(n.Input.Shape[:]) < 1:
		return fmt.Errorf("input.shape is %v; give channels, height and width", n.Input.Shape)
	case channels != 1 && channels != 3:
		return fmt.Errorf("input.shape has %d channels; images have 1 or 3", channels)
	case len(n.Input.Mean) != channels || len(n.Input.Deviation) != channels:
		return fmt.Errorf("input.mean and input.deviation have %d and %d numbers; give one per channel", len(n.Input.Mean), len(n.Input.Deviation))
	case slices.Contains(n.Input.Deviation, 0):
		return fmt.Errorf("input.deviation has a 0; give what pixels are divided by")
	case len(n.Layers) == 0:
		return fmt.Errorf("layers is empty; name each layer in order")
	}
	at := n.Input.Shape
	for i := range n.Layers {
		l := &n.Layers[i]
		for name, info := range map[string]*pdiff.TensorInfo{l.Name + ".weight": &l.weight, l.Name + ".bias": &l.bias} {
			var found bool
			if *info, found = tensor(name); !found || !info.Generated {
				return fmt.Errorf("layer %s: the generator makes no tensor %s; pdiff inspect lists them", l.Name, name)
			}
		}
		var err error
		if at, err = l.follow(at); err != nil {
			return fmt.Errorf("layer %s: %w", l.Name, err)
		}
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(n.Classes)))
	if len(distinct) != at.size() || len(n.Classes) != at.size() {
		return fmt.Errorf("classes has %d names, %d of them different; the last layer gives %d", len(n.Classes), len(distinct), at.size())
	}
	return nil
}

// follow puts the layer behind one that gives in, and says what comes out, pooled.
func (l *Layer) follow(in Shape) (Shape, error) {
	w := l.weight.Shape
	switch {
	case len(w) == 4 && int(w[1]) == in[0] && int(w[2]) <= in[1] && int(w[3]) <= in[2]:
		l.in, l.out = in, Shape{int(w[0]), in[1] - int(w[2]) + 1, in[2] - int(w[3]) + 1}
	case len(w) == 2 && int(w[1]) == in.size() && !l.Pool:
		l.in, l.out = in, Shape{int(w[0]), 1, 1}
	default:
		return in, fmt.Errorf("%s has shape %v (pool: %t), which does not take the %v before it", l.weight.Name, w, l.Pool, in)
	}
	if !slices.Equal(l.bias.Shape, w[:1]) {
		return in, fmt.Errorf("%s has shape %v, not %v", l.bias.Name, l.bias.Shape, w[:1])
	}
	if !l.Pool {
		return l.out, nil
	}
	pooled := Shape{l.out[0], l.out[1] / 2, l.out[2] / 2}
	if pooled.size() == 0 {
		return in, fmt.Errorf("there is nothing left of %v to pool", l.out)
	}
	return pooled, nil
}
