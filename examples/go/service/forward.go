package main

// Pass runs networks on images. It has memory for the activations, so each goroutine has its own.
type Pass struct {
	network *Network
	// Each layer reads one and writes the other.
	activations [2][]float32
}

// NewPass makes room for the largest activations.
func (n *Network) NewPass() *Pass {
	largest := n.Input.Shape.size()
	for _, l := range n.Layers {
		largest = max(largest, l.out.size())
	}
	return &Pass{network: n, activations: [2][]float32{make([]float32, largest), make([]float32, largest)}}
}

// Logits of a flat network for a normalized image; they last until the next call.
func (p *Pass) Logits(flat, image []float32) []float32 {
	x, y := p.activations[0], p.activations[1]
	copy(x, image)
	for i := range p.network.Layers {
		l := &p.network.Layers[i]
		weight, bias := l.weight.In(flat), l.bias.In(flat)
		out := y[:l.out.size()]
		if l.isConvolution() {
			l.convolve(out, x, weight, bias)
		} else {
			l.multiply(out, x, weight, bias)
		}
		if l.Pool {
			out = pool(out, l.out)
		}
		if i+1 < len(p.network.Layers) {
			for j, value := range out {
				out[j] = max(value, 0)
			}
		}
		x, y = y, x
	}
	return x[:len(p.network.Classes)]
}

// convolve is a valid convolution: weight [out, in, height, width] over x [in, height, width].
func (l *Layer) convolve(out, x, weight, bias []float32) {
	rows, columns := l.out[1], l.out[2]
	height, width := int(l.weight.Shape[2]), int(l.weight.Shape[3])
	k := 0
	for o := range l.out[0] {
		plane := out[o*rows*columns:][:rows*columns]
		for i := range plane {
			plane[i] = bias[o]
		}
		for c := range l.in[0] {
			for dy := range height {
				for dx := range width {
					w := weight[k]
					k++
					for row := range rows {
						source := x[(c*l.in[1]+row+dy)*l.in[2]+dx:][:columns]
						for i, value := range source {
							plane[row*columns+i] += w * value
						}
					}
				}
			}
		}
	}
}

// multiply is a linear layer: weight [out, in] times x [in].
func (l *Layer) multiply(out, x, weight, bias []float32) {
	in := l.in.size()
	for o := range out {
		sum := bias[o]
		for i, w := range weight[o*in:][:in] {
			sum += w * x[i]
		}
		out[o] = sum
	}
}

// pool takes the largest of each 2x2 block, in place; an odd last row or column is left out.
func pool(x []float32, shape Shape) []float32 {
	columns, next := shape[2], 0
	for c := range shape[0] {
		for row := 0; row+1 < shape[1]; row += 2 {
			for column := 0; column+1 < columns; column += 2 {
				at := (c*shape[1]+row)*columns + column
				x[next] = max(x[at], x[at+1], x[at+columns], x[at+columns+1])
				next++
			}
		}
	}
	return x[:next]
}
