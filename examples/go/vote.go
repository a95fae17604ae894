// Eight generated networks vote on ten images: vote GENERATOR IMAGES
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

const images, pixels, hidden, classes = 10, 49, 16, 10

// A product of two float32 is exact in float64, so every compiler and machine gets the same sums.
func dot(a, b []float32, sum float64) float64 {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// classOf runs a network of fc1.weight [16, 49], fc1.bias [16], fc2.weight [10, 16] and fc2.bias [10].
func classOf(tensors []pdiff.TensorInfo, network, image []float32) int {
	weight1, bias1 := tensors[0].In(network), tensors[1].In(network)
	weight2, bias2 := tensors[2].In(network), tensors[3].In(network)
	var features [hidden]float32
	var logits [classes]float64
	for h := range features {
		features[h] = float32(max(0, dot(weight1[h*pixels:][:pixels], image, float64(bias1[h]))))
	}
	for c := range logits {
		logits[c] = dot(weight2[c*hidden:][:hidden], features[:], float64(bias2[c]))
	}
	return slices.Index(logits[:], slices.Max(logits[:]))
}

func vote(arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("give a generator and a file of ten images")
	}
	var shown [images][pixels]float32
	file, err := os.Open(arguments[1])
	if err != nil {
		return err
	}
	defer file.Close()
	if err := binary.Read(file, binary.LittleEndian, &shown); err != nil {
		return fmt.Errorf("%s: not a file of ten images: %w", arguments[1], err)
	}

	generator, err := pdiff.Open(arguments[0])
	if err != nil {
		return err
	}
	defer generator.Close()
	networks, err := generator.Sample(context.Background(), pdiff.Options{Count: 8, Seed: 1})
	if err != nil {
		return err
	}
	tensors, others := generator.Tensors(), 0
	for i, image := range shown {
		var votes [classes]int
		for _, network := range networks {
			votes[classOf(tensors, network, image[:])]++
		}
		most := slices.Max(votes[:])
		disagree := len(networks) - most
		fmt.Printf("image %d: class %d, %d of %d networks disagree\n", i, slices.Index(votes[:], most), disagree, len(networks))
		others += disagree
	}
	fmt.Printf("disagreement: %d of %d votes\n", others, images*len(networks))
	return nil
}

func main() {
	if err := vote(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "vote:", err)
		os.Exit(1)
	}
}
