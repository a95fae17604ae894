package pdiff

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// network i of a line: what the fixture gaussian.pdiff was made for.
func network(i int) Snapshot {
	x := float32(i)
	return Snapshot{Tensors: []Tensor{
		NewTensor("fc.weight", []float32{1, 2 + x, 3, 4 - x, 5, 6 + x/2}, 2, 3),
		NewTensor("fc.bias", []float32{x / 30, 0.5 - x/60}, 2),
	}}
}

func networks(count int) []Snapshot {
	snapshots := make([]Snapshot, count)
	for i := range snapshots {
		snapshots[i] = network(i)
	}
	return snapshots
}

func collected(t *testing.T, count int) string {
	t.Helper()
	zoo := filepath.Join(t.TempDir(), "zoo")
	ok(t, Collect(context.Background(), zoo, networks(count), CollectOptions{}))
	return zoo
}

func exists(paths ...string) bool {
	_, err := os.Stat(filepath.Join(paths...))
	return err == nil
}

func TestCollectFromMemoryAndFiles(t *testing.T) {
	ctx, zoo := context.Background(), filepath.Join(t.TempDir(), "zoo")
	snapshots := networks(3)
	for i := range snapshots {
		snapshots[i].Name = "step"
		snapshots[i].Condition = []float32{1.5}
		snapshots[i].Metrics = map[string]float64{"loss": 0.1, "accuracy": 0.9}
	}
	var steps []uint64
	ok(t, Collect(ctx, zoo, snapshots, CollectOptions{
		Select: []string{"*.weight"}, Conditions: []string{"speed"},
		Progress: func(at Progress) error {
			if at.Phase != "collect" || at.Total != 3 {
				t.Error(at)
			}
			steps = append(steps, at.Step)
			return nil
		},
	}))
	if len(steps) != 3 || steps[2] != 3 {
		t.Fatal(steps)
	}
	text, err := os.ReadFile(filepath.Join(zoo, "collection.json"))
	ok(t, err)
	for _, part := range []string{"speed", "fc.weight"} {
		if !strings.Contains(string(text), part) {
			t.Fatalf("no %s in %s", part, text)
		}
	}
	snapshots[1].Condition = nil
	fails(t, Collect(ctx, zoo, snapshots, CollectOptions{}), ErrCondition, "step")
	fails(t, Collect(ctx, filepath.Join(t.TempDir(), "none"), networks(1), CollectOptions{Select: []string{"*.kernel"}}),
		ErrEmptySelection, "*.kernel")

	files := filepath.Join(t.TempDir(), "files")
	ok(t, Collect(ctx, files, []Snapshot{{File: fixture("checkpoints/plain.pt")}}, CollectOptions{}))
	fails(t, Collect(ctx, files, []Snapshot{{File: fixture("checkpoints/hostile.pt")}}, CollectOptions{}), ErrUnsupported, "hostile.pt")
	fails(t, Collect(ctx, files, []Snapshot{{File: "absent.pt"}}, CollectOptions{}), ErrIO, "absent.pt")
	fails(t, Collect(ctx, collected(t, 2), []Snapshot{{Tensors: network(1).Tensors[:1]}}, CollectOptions{}), ErrMismatch, "fc.bias")
}

func TestTensorsThatLieAreRefused(t *testing.T) {
	zoo := filepath.Join(t.TempDir(), "zoo")
	for _, tensor := range []Tensor{
		NewTensor("w", []float32{1, 2, 3}, 2),
		NewTensor("w", []float32{1, 2, 3}, -3),
		NewTensor("w", []float32{1}, math.MaxInt64, math.MaxInt64),
		NewTensor("w", []float32{}, 2, 3),
		{Name: "w", Shape: []int64{1}, DType: F32, Data: make([]byte, 5)},
		{Name: "w", Shape: []int64{1}, DType: 99, Data: make([]byte, 4)},
		{Name: "w\x00", Shape: []int64{1}, DType: F32, Data: make([]byte, 4)},
	} {
		err := Collect(context.Background(), zoo, []Snapshot{{Tensors: []Tensor{tensor}}}, CollectOptions{})
		fails(t, err, ErrInvalidArgument, "w")
	}
	nan := network(0)
	nan.Tensors[1] = NewTensor("fc.bias", []float32{0, float32(math.NaN())}, 2)
	fails(t, Collect(context.Background(), zoo, []Snapshot{nan}, CollectOptions{}), ErrNonFinite, "fc.bias")
}

var errEnough = errors.New("enough")

func TestACallbacksErrorComesBack(t *testing.T) {
	zoo := filepath.Join(t.TempDir(), "zoo")
	err := Collect(context.Background(), zoo, networks(2), CollectOptions{Progress: func(Progress) error { return errEnough }})
	fails(t, err, ErrCallback, "enough")
	if !errors.Is(err, errEnough) || exists(zoo, "collection.json") {
		t.Fatal(err)
	}
	err = evaluate(t, func([]float32) (Score, error) { return Score{}, errEnough }, EvaluateOptions{Samples: Options{Count: 4}})
	fails(t, err, ErrCallback, "enough")
	if !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
}

func TestACallbacksPanicContinuesOutOfTheCall(t *testing.T) {
	panics := func(name string, call func()) {
		defer func() {
			if value := recover(); value != errEnough {
				t.Errorf("%s: recovered %v", name, value)
			}
		}()
		call()
	}
	watch := func(Progress) error { panic(errEnough) }
	zoo := filepath.Join(t.TempDir(), "zoo")
	panics("collect", func() { Collect(context.Background(), zoo, networks(2), CollectOptions{Progress: watch}) })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g := open(t, "gaussian.pdiff")
	full := collected(t, 24)
	panics("score", func() {
		g.Evaluate(ctx, full, filepath.Join(zoo, "e.json"), func([]float32) (Score, error) { panic(errEnough) }, EvaluateOptions{})
	})
	panics("progress", func() {
		g.Evaluate(ctx, full, filepath.Join(zoo, "e.json"), bias, EvaluateOptions{Progress: watch})
	})
	panics("visit", func() {
		g.SampleEach(ctx, Options{}, func(uint64, []float32) error { panic(errEnough) })
	})
	if g.handle.users != 0 {
		t.Fatal("a panic left the generator in use")
	}
	_, err := g.Sample(ctx, Options{})
	ok(t, err)
}

func TestADoneContextStopsCollecting(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	zoo := filepath.Join(t.TempDir(), "zoo")
	calls := 0
	err := Collect(ctx, zoo, networks(3), CollectOptions{Progress: func(Progress) error {
		calls++
		cancel()
		return nil
	}})
	fails(t, err, ErrCancelled, "context canceled")
	if !errors.Is(err, context.Canceled) || calls != 1 || exists(zoo, "collection.json") {
		t.Fatal(err, calls)
	}
	fails(t, Collect(ctx, zoo, networks(3), CollectOptions{}), ErrCancelled, "context canceled")
}

// bias is worth minus its distance from a line, and sorts three points.
func bias(network []float32) (Score, error) {
	value := float64(network[6])
	predictions := make([]int64, 3)
	for i := range predictions {
		if value > 0.2+0.1*float64(i) {
			predictions[i] = 1
		}
	}
	score := -math.Abs(value - 0.4)
	selection := score + 1
	return Score{Score: score, Selection: &selection, Predictions: predictions, Labels: []int64{0, 1, 1}}, nil
}

func evaluate(t *testing.T, score func([]float32) (Score, error), options EvaluateOptions) error {
	t.Helper()
	g := open(t, "gaussian.pdiff")
	return g.Evaluate(context.Background(), collected(t, 24), filepath.Join(t.TempDir(), "e.json"), score, options)
}

func TestEvaluateScoresInGo(t *testing.T) {
	g, zoo, file := open(t, "gaussian.pdiff"), collected(t, 24), filepath.Join(t.TempDir(), "e.json")
	calls, steps := 0, 0
	options := EvaluateOptions{
		Samples: Options{Count: 12, Seed: 3}, Baselines: []string{"soup", "Gaussian"},
		Progress: func(at Progress) error {
			if steps++; at.Phase != "evaluate" || at.Step != uint64(steps) {
				t.Error(at)
			}
			return nil
		},
	}
	score := func(network []float32) (Score, error) {
		calls++
		return bias(network)
	}
	ok(t, g.Evaluate(context.Background(), zoo, file, score, options))
	if calls != steps || calls <= 24+12 {
		t.Fatal(calls, steps)
	}
	var evaluation map[string]any
	text, err := os.ReadFile(file)
	ok(t, err)
	ok(t, json.Unmarshal(text, &evaluation))
	if !strings.Contains(string(text), `"overlap": 0.`) {
		t.Fatal("the predictions did not arrive")
	}
	fails(t, evaluate(t, bias, EvaluateOptions{Baselines: []string{"sooup"}}), ErrInvalidArgument, "sooup")
	fails(t, evaluate(t, bias, EvaluateOptions{BaselineCount: -1}), ErrInvalidArgument, "BaselineCount is -1")
	flow := open(t, "flow.pdiff")
	fails(t, flow.Evaluate(context.Background(), zoo, file, bias, EvaluateOptions{}), ErrMismatch, "")

	options.Progress = nil
	ctx, cancel := context.WithCancel(context.Background())
	err = g.Evaluate(ctx, zoo, file, func(network []float32) (Score, error) {
		cancel()
		return bias(network)
	}, options)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	ok(t, g.Close())
	if err := g.Evaluate(context.Background(), zoo, file, bias, options); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

const twoUnits = `{"permutations": [{"name": "fc", "size": 2, "places": [
	{"tensor": "fc.weight", "axis": 0}, {"tensor": "fc.bias", "axis": 0}]}]}`

func shard(t *testing.T, collection string) string {
	t.Helper()
	bytes, err := os.ReadFile(filepath.Join(collection, "shard-000000.safetensors"))
	ok(t, err)
	return string(bytes)
}

func TestAlignByWeightsOrByWhatTheHostSays(t *testing.T) {
	ctx, zoo, folder := context.Background(), collected(t, 6), t.TempDir()
	weights, activations, none := filepath.Join(folder, "weights"), filepath.Join(folder, "activations"), filepath.Join(folder, "none")
	steps := 0
	ok(t, Align(ctx, zoo, weights, AlignOptions{Symmetry: twoUnits, Progress: func(at Progress) error {
		steps++
		if at.Phase != "align" {
			t.Error(at)
		}
		return nil
	}}))
	// Its units are in one order already.
	if steps != 5*6 || shard(t, weights) != shard(t, zoo) {
		t.Fatal(steps)
	}

	// A host whose units answer the other way round in every second network.
	calls := 0
	options := AlignOptions{Symmetry: twoUnits, ActivationExamples: 3}
	options.Activations = func(network []float32, groups []Activations) error {
		if len(network) != 8 || len(groups) != 1 || groups[0].Group != "fc" || len(groups[0].Values) != 3*2 {
			t.Fatal(network, groups)
		}
		turned := calls % 2
		calls++
		for i, own := range []float32{1, 2, 3} {
			groups[0].Values[2*i+turned] = own
			groups[0].Values[2*i+1-turned] = []float32{1, 5, 2}[i]
		}
		return nil
	}
	ok(t, Align(ctx, zoo, activations, options))
	if calls != 6 || shard(t, activations) == shard(t, zoo) {
		t.Fatal(calls)
	}
	options.Activations = func([]float32, []Activations) error { return errEnough }
	if err := Align(ctx, zoo, none, options); !errors.Is(err, errEnough) || !errors.Is(err, ErrCallback) {
		t.Fatal(err)
	}
	// A host that runs networks finds a group out that its function tells apart.
	runs := AlignOptions{Symmetry: twoUnits, RunOutputs: 2, Run: func(network, outputs []float32) error {
		outputs[0], outputs[1] = network[0]+network[3], network[6]+network[7]
		return nil
	}}
	ok(t, Align(ctx, zoo, filepath.Join(folder, "run"), runs))
	runs.Run = func(network, outputs []float32) error {
		copy(outputs, network)
		return nil
	}
	fails(t, Align(ctx, zoo, none, runs), ErrMismatch, "changes the function")
	runs.Run = func([]float32, []float32) error { return errEnough }
	if err := Align(ctx, zoo, none, runs); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	for message, wrong := range map[string]AlignOptions{
		"whole examples":       {Symmetry: twoUnits, Examples: []float32{1, 2, 3}, ExampleNumbers: 4},
		"no chain":             {Symmetry: twoUnits, Examples: []float32{1, 2, 3}, ExampleNumbers: 3},
		"names no permutation": {Symmetry: "{}"},
		"negative":             {ActivationExamples: -1},
	} {
		fails(t, Align(ctx, zoo, none, wrong), ErrInvalidArgument, message)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := Align(done, zoo, none, AlignOptions{Symmetry: twoUnits}); !errors.Is(err, context.Canceled) || exists(none) {
		t.Fatal(err)
	}
}

// trains says whether the library has libtorch.
func trains(t *testing.T) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "net.pdiff")
	err := Train(context.Background(), collected(t, 30), file, TrainOptions{Steps: 1})
	if errors.Is(err, ErrUnsupported) {
		fails(t, err, ErrUnsupported, "torch")
		if exists(file) {
			t.Fatal("a refused training wrote a file")
		}
		return false
	}
	ok(t, err)
	return true
}

func TestTrain(t *testing.T) {
	zoo, file := collected(t, 30), filepath.Join(t.TempDir(), "net.pdiff")
	fails(t, Train(context.Background(), zoo, file, TrainOptions{Engine: 7}), ErrInvalidArgument, "engine 7")
	fails(t, Train(context.Background(), zoo, file, TrainOptions{Align: true, Symmetry: "{"}), ErrInvalidArgument, "symmetry:")
	wrong := "{"
	fails(t, Train(context.Background(), zoo, file, TrainOptions{Distill: &wrong}), ErrInvalidArgument, "distill:")
	fails(t, Train(context.Background(), zoo, file, TrainOptions{Distill: &wrong, Score: bias}), ErrInvalidArgument, "distill beside")
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Train(done, zoo, file, TrainOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !trains(t) {
		t.Skip("this build has no libtorch: training was refused with ErrUnsupported, as it should be")
	}
	calls := 0
	ok(t, Train(context.Background(), zoo, file, TrainOptions{Steps: 20, Progress: func(Progress) error { calls++; return nil }}))
	if calls < 2 {
		t.Fatal(calls)
	}
	trained, err := Open(file)
	ok(t, err)
	ok(t, trained.Close())

	again := filepath.Join(t.TempDir(), "again.pdiff")
	ctx, cancel := context.WithCancel(context.Background())
	err = Train(ctx, zoo, again, TrainOptions{Steps: 20, Progress: func(Progress) error { cancel(); return nil }})
	if !errors.Is(err, context.Canceled) || exists(again) {
		t.Fatal(err)
	}
	err = Train(context.Background(), zoo, again, TrainOptions{Steps: 20, Progress: func(Progress) error { return errEnough }})
	if !errors.Is(err, errEnough) || !errors.Is(err, ErrCallback) {
		t.Fatal(err)
	}
	defer func() {
		if value := recover(); value != errEnough {
			t.Fatal(value)
		}
	}()
	Train(context.Background(), zoo, again, TrainOptions{Steps: 20, Progress: func(Progress) error { panic(errEnough) }})
}
