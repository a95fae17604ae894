package pdiff

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func fixture(name string) string { return filepath.Join("../../tests/fixtures", name) }

func open(t testing.TB, name string) *Generator {
	t.Helper()
	generator, err := Open(fixture("generators/" + name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { generator.Close() })
	return generator
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fails checks a status and that the message is one line that holds a text.
func fails(t testing.TB, err error, status Status, text string) {
	t.Helper()
	var failed *Error
	if !errors.Is(err, status) || !errors.As(err, &failed) || failed.Code != status {
		t.Fatalf("%v instead of %v", err, status)
	}
	if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("%q is not one line with %q", err, text)
	}
}

func TestAGeneratorSaysWhatItIs(t *testing.T) {
	g := open(t, "flow.pdiff")
	if g.Parameters() != 17 || len(g.Tensors()) != 7 || !g.IsGood() {
		t.Fatal(g.Parameters(), g.Tensors(), g.IsGood())
	}
	if !slices.Equal(g.Conditions(), []string{"speed", "load"}) || !strings.Contains(g.About(), `"dispersion"`) {
		t.Fatal(g.Conditions(), g.About())
	}
	half, found := g.Tensor("half.weight")
	if !found || half.DType != F16 || !slices.Equal(half.Shape, []int64{2, 2}) || half.Offset != 10 || half.Bytes != 8 {
		t.Fatal(half, found)
	}
	frozen, _ := g.Tensor("frozen.table")
	if frozen.Generated || frozen.In(make([]float32, 17)) != nil || frozen.DType.String() != "BF16" {
		t.Fatal(frozen)
	}
	if _, found := g.Tensor("absent"); found {
		t.Fatal("a tensor that is not there")
	}
	if Version() != "0.1.0" {
		t.Fatal(Version())
	}
}

func TestEveryWayOfSamplingGivesTheSameNumbers(t *testing.T) {
	g, ctx := open(t, "flow.pdiff"), context.Background()
	options := Options{Count: 3, Seed: 7, Condition: []float32{1.5, 1}, Threads: 1}
	networks, err := g.Sample(ctx, options)
	ok(t, err)
	flat := make([]float32, 3*17+1)
	flat[3*17] = 42
	ok(t, g.SampleInto(ctx, flat, options))
	if !slices.Equal(slices.Concat(networks...), flat[:3*17]) || flat[3*17] != 42 {
		t.Fatal("SampleInto and Sample differ")
	}
	last, err := g.Sample(ctx, Options{First: 2, Seed: 7, Condition: []float32{1.5, 1}})
	ok(t, err)
	if !slices.Equal(last[0], networks[2]) || slices.Equal(networks[0], networks[1]) {
		t.Fatal("network 2 of a seed depends on what else is asked for")
	}
	tensors, err := g.SampleTensors(ctx, options)
	ok(t, err)
	for i, info := range g.Tensors() {
		if tensors[i].Name != info.Name || tensors[i].Shape[0] != 3 || len(tensors[i].Data) != 3*info.Bytes {
			t.Fatal(tensors[i])
		}
	}
	weights, err := Values[float32](tensors[0])
	ok(t, err)
	if info := g.Tensors()[0]; !slices.Equal(weights[6:12], info.In(networks[1])) {
		t.Fatal("SampleTensors and Sample differ")
	}
	_, err = Values[int64](tensors[0])
	fails(t, err, ErrMismatch, "conv.weight holds F32, not I64")

	folder := filepath.Join(t.TempDir(), "out")
	ok(t, g.SampleFiles(ctx, folder, options))
	entries, err := os.ReadDir(folder)
	ok(t, err)
	if len(entries) != 3 || entries[2].Name() != "network-000002.safetensors" {
		t.Fatal(entries)
	}
}

func TestRefusalsNameTheThing(t *testing.T) {
	g, ctx := open(t, "flow.pdiff"), context.Background()
	_, err := Open("absent.pdiff")
	fails(t, err, ErrIO, "absent.pdiff")
	_, err = Open("a\x00b")
	fails(t, err, ErrInvalidArgument, "holds a NUL")
	_, err = Open(fixture("generators/newer.pdiff"))
	fails(t, err, ErrNewerVersion, "upgrade")
	_, err = Open(fixture("checkpoints/dtypes.safetensors"))
	fails(t, err, ErrCorrupt, "dtypes.safetensors")
	_, err = g.Sample(ctx, Options{Count: -1})
	fails(t, err, ErrInvalidArgument, "Options.Count is -1")
	_, err = g.Sample(ctx, Options{Count: math.MaxInt})
	fails(t, err, ErrInvalidArgument, "fewer at once")
	_, err = g.SampleTensors(ctx, Options{Count: math.MaxInt})
	fails(t, err, ErrInvalidArgument, "fewer at once")
	_, err = g.Sample(ctx, Options{Condition: []float32{1}})
	fails(t, err, ErrCondition, "")
	fails(t, g.SampleInto(ctx, nil, Options{}), ErrBufferTooSmall, "68")
	dst := []float32{1, 2}
	fails(t, g.SampleInto(ctx, dst, Options{}), ErrBufferTooSmall, "68")
	if dst[0] != 1 || dst[1] != 2 {
		t.Fatal("a refusal wrote to its output")
	}
	fails(t, g.SampleFiles(ctx, "a\x00b", Options{}), ErrInvalidArgument, "folder")
	fails(t, g.Evaluate(ctx, "zoo", "e.json", nil, EvaluateOptions{}), ErrInvalidArgument, "score is nil")
	if ErrIO.Error() != "PDIFF_IO" {
		t.Fatal(ErrIO.Error())
	}
}

// endless takes hours unless something stops it.
var endless = Options{Steps: 1 << 40, Threads: 1}

func TestADoneContextStopsSampling(t *testing.T) {
	g := open(t, "flow.pdiff")
	done, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := g.Sample(done, Options{})
	fails(t, err, ErrCancelled, "context canceled")
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	late, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err = g.Sample(late, endless)
	if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrCancelled) {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Fatal("stopped only after", took)
	}
}

func TestCloseLetsRunningCallsEnd(t *testing.T) {
	g := open(t, "flow.pdiff")
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error)
	go func() {
		_, err := g.Sample(ctx, endless)
		failed <- err
	}()
	users := func() int {
		g.handle.lock.Lock()
		defer g.handle.lock.Unlock()
		return g.handle.users
	}
	for users() == 0 {
		time.Sleep(time.Millisecond)
	}
	var closer io.Closer = g
	ok(t, closer.Close())
	ok(t, closer.Close())
	if g.handle.c == nil {
		t.Fatal("freed under a running call")
	}
	_, err := g.Sample(context.Background(), Options{})
	if !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if !errors.Is(g.SampleFiles(context.Background(), "x", Options{}), ErrClosed) {
		t.Fatal("SampleFiles after Close")
	}
	_, err = g.SampleTensors(context.Background(), Options{})
	if !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if users() != 0 || g.handle.c != nil {
		t.Fatal("not freed with the last call")
	}
	if g.Parameters() != 17 {
		t.Fatal("a closed generator forgot its size")
	}
}

func TestAForgottenGeneratorIsClosed(t *testing.T) {
	forgotten := func() *handle {
		g, err := Open(fixture("generators/gaussian.pdiff"))
		ok(t, err)
		return g.handle
	}()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		forgotten.lock.Lock()
		freed := forgotten.c == nil
		forgotten.lock.Unlock()
		if freed {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("still open")
		}
	}
}

func TestSixteenGoroutinesOpenAndSampleAtOnce(t *testing.T) {
	shared, ctx := open(t, "flow.pdiff"), context.Background()
	expected, err := shared.Sample(ctx, Options{Count: 16, Seed: 3})
	ok(t, err)
	var all sync.WaitGroup
	for i := range 16 {
		all.Add(1)
		go func() {
			defer all.Done()
			own, err := Open(fixture("generators/flow.pdiff"))
			if err != nil {
				t.Error(err)
				return
			}
			defer own.Close()
			for _, g := range []*Generator{own, shared} {
				bounded, cancel := context.WithTimeout(ctx, time.Minute)
				got, err := g.Sample(bounded, Options{First: uint64(i), Seed: 3})
				cancel()
				if err != nil || !slices.Equal(got[0], expected[i]) {
					t.Error(i, err, got)
				}
			}
		}()
	}
	all.Wait()
}

func TestSampleEachShowsTheSameNetworksInOrder(t *testing.T) {
	g := open(t, "flow.pdiff")
	options := Options{Count: 5, First: 2, Seed: 3}
	expected, err := g.Sample(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	err = g.SampleEach(context.Background(), options, func(number uint64, network []float32) error {
		if number != uint64(2+next) || !slices.Equal(network, expected[next]) {
			t.Errorf("network %d is not that of Sample", number)
		}
		next++
		return nil
	})
	if err != nil || next != 5 {
		t.Fatal(err, next)
	}
	stop := errors.New("seen enough")
	err = g.SampleEach(context.Background(), options, func(uint64, []float32) error { return stop })
	fails(t, err, ErrCallback, "network callback returned 1")
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	fails(t, g.SampleEach(context.Background(), options, nil), ErrInvalidArgument, "visit is nil")
}

const linear = `{"chain": {"input": [3], "layers": [{"op": "linear", "weight": "fc.weight", "bias": "fc.bias"}]}}`

func TestSamplesArePolishedByAProbeOrByAGradient(t *testing.T) {
	g, ctx := open(t, "gaussian.pdiff"), context.Background()
	options := Options{Count: 2, Seed: 5}
	plain, err := g.Sample(ctx, options)
	ok(t, err)
	options.PolishSteps, options.PolishRate = 40, 0.1
	options.Probe = &Probe{Inputs: []float32{1, 0, 0, 0, 1, 0, 0, 0, 1}, Labels: []int64{0, 1, 0}, Spec: linear}
	polished, err := g.Sample(ctx, options)
	ok(t, err)
	for i := range plain {
		for k, sign := range []float32{1, -1, 1} {
			// How far the first class is ahead.
			ahead := func(n []float32) float32 { return sign * (n[k] + n[6] - n[3+k] - n[7]) }
			if ahead(polished[i]) <= ahead(plain[i]) {
				t.Fatal(i, k, plain[i], polished[i])
			}
		}
	}
	tensors, err := g.SampleTensors(ctx, options)
	ok(t, err)
	if values, err := Values[float32](tensors[0]); err != nil || !slices.Equal(values[:6], polished[0][:6]) {
		t.Fatal(values, err, polished[0])
	}
	options.Probe.Spec = "\x00"
	fails(t, g.SampleFiles(ctx, t.TempDir(), options), ErrInvalidArgument, "Probe.Spec")
	options.Probe.Spec = ""
	fails(t, g.SampleFiles(ctx, t.TempDir(), options), ErrInvalidArgument, "the generator records no chain")
	options.Probe = nil
	fails(t, g.SampleFiles(ctx, t.TempDir(), options), ErrInvalidArgument, "neither gradient nor probe")

	calls := uint64(0)
	options.Gradient = func(number, step uint64, network, gradient []float32) (loss float64, err error) {
		if number != calls/40 || step != calls%40 {
			t.Error(number, step)
		}
		calls++
		for i, x := range network {
			gradient[i] = x - 1
			loss += float64(gradient[i]*gradient[i]) / 2
		}
		return loss, nil
	}
	near := make([]float32, 16)
	ok(t, g.SampleInto(ctx, near, options))
	fromOne := func(numbers []float32) (sum float64) {
		for _, x := range numbers {
			sum += math.Pow(float64(x)-1, 2)
		}
		return sum
	}
	if fromOne(near) > 0.1*fromOne(slices.Concat(plain...)) {
		t.Fatal(near, plain)
	}
	enough := errors.New("enough")
	options.Gradient = func(uint64, uint64, []float32, []float32) (float64, error) { return 0, enough }
	kept := slices.Clone(near)
	err = g.SampleInto(ctx, near, options)
	fails(t, err, ErrCallback, "enough")
	if !errors.Is(err, enough) || !slices.Equal(kept, near) {
		t.Fatal(err, near)
	}
	options.Gradient = func(uint64, uint64, []float32, []float32) (float64, error) { panic("slope") }
	defer func() {
		if recover() != "slope" {
			t.Error("no panic came out of the call")
		}
	}()
	_ = g.SampleInto(ctx, near, options)
}

func TestTheBestCandidateIsHandedOut(t *testing.T) {
	g, ctx := open(t, "flow.pdiff"), context.Background()
	all, err := g.Sample(ctx, Options{Count: 12, Seed: 7})
	ok(t, err)
	options := Options{Count: 3, Seed: 7, Candidates: 4}
	fails(t, g.SampleInto(ctx, make([]float32, 51), options), ErrInvalidArgument, "neither score nor probe")
	options.Score = func(network []float32) (Score, error) { return Score{Score: float64(network[3])}, nil }
	best, err := g.Sample(ctx, options)
	ok(t, err)
	for i := range best {
		most := slices.MaxFunc(all[4*i:4*i+4], func(a, b []float32) int { return cmp.Compare(a[3], b[3]) })
		if !slices.Equal(best[i], most) {
			t.Fatal(i, best[i], most)
		}
	}
	enough := errors.New("enough")
	options.Score = func([]float32) (Score, error) { return Score{}, enough }
	if _, err := g.Sample(ctx, options); !errors.Is(err, enough) {
		t.Fatal(err)
	}
}
