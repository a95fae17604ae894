package pdiff_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	pdiff "github.com/libpdiff/libpdiff/bindings/go"
)

const net = "../../tests/fixtures/generators/gaussian.pdiff"

func Example() {
	generator, err := pdiff.Open(net)
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()
	networks, err := generator.Sample(context.Background(), pdiff.Options{Count: 10, Seed: 1})
	if err != nil {
		log.Fatal(err)
	}
	bias, _ := generator.Tensor("fc.bias")
	fmt.Println(len(networks), "networks of", generator.Parameters(), "numbers,", len(bias.In(networks[0])), "of them", bias.Name)
	// Output: 10 networks of 8 numbers, 2 of them fc.bias
}

// Memory of the host's is used again for every request.
func ExampleGenerator_SampleInto() {
	generator, err := pdiff.Open(net)
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()
	network := make([]float32, generator.Parameters())
	for seed := range uint64(3) {
		if err := generator.SampleInto(context.Background(), network, pdiff.Options{Seed: seed}); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(len(network))
	// Output: 8
}

func ExampleGenerator_SampleTensors() {
	generator, err := pdiff.Open(net)
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()
	tensors, err := generator.SampleTensors(context.Background(), pdiff.Options{Count: 4})
	if err != nil {
		log.Fatal(err)
	}
	for _, tensor := range tensors {
		fmt.Println(tensor.Name, tensor.DType, tensor.Shape)
	}
	// Output:
	// fc.weight F32 [4 2 3]
	// fc.bias F32 [4 2]
}

// A context that is done stops sampling within one denoising step.
func ExampleGenerator_Sample_timeout() {
	generator, err := pdiff.Open("../../tests/fixtures/generators/flow.pdiff")
	if err != nil {
		log.Fatal(err)
	}
	defer generator.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = generator.Sample(ctx, pdiff.Options{Steps: 1 << 40})
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output: true
}

func ExampleOpen_error() {
	_, err := pdiff.Open("absent.pdiff")
	fmt.Println(errors.Is(err, pdiff.ErrIO))
	// Output: true
}

// Checkpoints of a running training loop go straight from memory into a collection.
func ExampleCollect() {
	folder, err := os.MkdirTemp("", "zoo")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	weights, bias := []float32{1, 2, 3, 4, 5, 6}, []float32{7, 8}
	snapshot := pdiff.Snapshot{Tensors: []pdiff.Tensor{
		pdiff.NewTensor("fc.weight", weights, 2, 3),
		pdiff.NewTensor("fc.bias", bias, 2),
	}}
	err = pdiff.Collect(context.Background(), filepath.Join(folder, "zoo"), []pdiff.Snapshot{snapshot}, pdiff.CollectOptions{})
	fmt.Println(err)
	// Output: <nil>
}
