package pdiff

/*
#include <pdiff.h>

extern int32_t pdiffGoNetwork(void *, uint64_t, float *, uint64_t);
extern int32_t pdiffGoScore(void *, float *, uint64_t, pdiff_score *);
extern int32_t pdiffGoGradient(void *, uint64_t, uint64_t, float *, uint64_t, double *, float *);
*/
import "C"

import (
	"cmp"
	"context"
	"math"
	"unsafe"
)

// Sampler is how latents are drawn from noise.
type Sampler int32

const (
	// DefaultSampler is the engine's own.
	DefaultSampler Sampler = C.PDIFF_SAMPLER_DEFAULT
	// DDPM (arXiv 2006.11239), DDIM (arXiv 2010.02502) and DPMSolver2M (arXiv 2211.01095) are the
	// paper engine's; Euler, Heun and AB2 (Adams-Bashforth, two steps) the default engine's.
	DDPM        Sampler = C.PDIFF_SAMPLER_DDPM
	DDIM        Sampler = C.PDIFF_SAMPLER_DDIM
	DPMSolver2M Sampler = C.PDIFF_SAMPLER_DPM_SOLVER_2M
	Euler       Sampler = C.PDIFF_SAMPLER_EULER
	Heun        Sampler = C.PDIFF_SAMPLER_HEUN
	AB2         Sampler = C.PDIFF_SAMPLER_AB2
)

// Device is where the work is done.
type Device int32

const (
	CPU  Device = C.PDIFF_DEVICE_CPU
	CUDA Device = C.PDIFF_DEVICE_CUDA
)

// Options is what to sample. The zero value is one network of seed 0.
type Options struct {
	// Count of networks; 0: 1. Memory grows with it, so bound what comes from outside.
	Count int
	// First is the number of the first network: 5 to 9 of a seed are the same alone and in 0 to 9.
	First uint64
	Seed  uint64
	// Condition has one number per name of Conditions. Empty: the collection as a whole.
	Condition []float32
	// Guidance: 1 follows the condition, more exaggerates it; 0: 1.
	Guidance float32
	// Temperature scales the noise; 0: 1.
	Temperature float32
	Sampler     Sampler
	// Steps of the sampler; 0: the engine's own number.
	Steps       uint64
	Device      Device
	DeviceIndex uint32
	// Threads of the default engine on the CPU; 0: one per core.
	Threads uint32
	// PolishSteps of training that each network gets before it is handed out; 0: none. They go by
	// Probe or by Gradient.
	PolishSteps uint64
	// PolishBatch is the examples of a step, from the probe; 0: 64, or all where there are fewer.
	PolishBatch uint64
	// PolishRate is the highest learning rate; 0: 0.001 where a behaviour loss taught the generator, else 0.01.
	PolishRate float64
	Probe      *Probe
	// Gradient says what to polish by: given sample number at a step of its polish, it writes the
	// loss's gradient to its last argument, of zeros, and returns the loss. An error ends the work.
	// The slices last until it returns.
	Gradient func(number, step uint64, network, gradient []float32) (loss float64, err error)
	// Candidates for each network, of which the best is handed out, before it is polished; 0: 1.
	// Those of network i are the samples i times Candidates and on.
	Candidates uint64
	// Score says which is best; nil: the loss on the probe. An error ends the work. The network
	// lasts until it returns.
	Score func(network []float32) (Score, error)
}

// Probe has examples by which libpdiff itself tells what a network is worth.
type Probe struct {
	// Inputs is [examples, numbers of the chain's input], row-major, as the network is given them.
	Inputs []float32
	// Labels has the class of each example, from 0.
	Labels []int64
	// Spec is a symmetry spec with a chain, as JSON: how the network computes. Empty: the one that
	// the training aligned by, and in a training the collection's own.
	Spec string
}

func (p *Probe) c(lent *memory) *C.pdiff_probe {
	if p == nil {
		return nil
	}
	var spec *C.char
	if p.Spec != "" {
		spec = lent.text("Probe.Spec", p.Spec)
	}
	return lend(lent, []C.pdiff_probe{{
		struct_size: C.sizeof_pdiff_probe,
		inputs:      (*C.float)(unsafe.Pointer(lend(lent, p.Inputs))),
		labels:      (*C.int64_t)(unsafe.Pointer(lend(lent, p.Labels))),
		count:       C.uint64_t(len(p.Labels)), features: C.uint64_t(len(p.Inputs) / max(len(p.Labels), 1)),
		spec: spec,
	}})
}

func (o *Options) c(lent *memory) (*C.pdiff_sample_options, error) {
	if o.Count < 0 {
		return nil, invalid("Options.Count is %d; ask for 1 or more", o.Count)
	}
	return lend(lent, []C.pdiff_sample_options{{
		struct_size: C.sizeof_pdiff_sample_options,
		count:       C.uint64_t(o.Count), first: C.uint64_t(o.First), seed: C.uint64_t(o.Seed),
		condition:        (*C.float)(unsafe.Pointer(lend(lent, o.Condition))),
		condition_length: C.size_t(len(o.Condition)),
		guidance:         C.float(o.Guidance), temperature: C.float(o.Temperature),
		sampler: C.int32_t(o.Sampler), steps: C.uint64_t(o.Steps),
		device: C.int32_t(o.Device), device_index: C.uint32_t(o.DeviceIndex), threads: C.uint32_t(o.Threads),
		polish_steps: C.uint64_t(o.PolishSteps), polish_batch: C.uint64_t(o.PolishBatch),
		polish_rate: C.double(o.PolishRate), probe: o.Probe.c(lent), candidates: C.uint64_t(o.Candidates),
	}}), nil
}

func (o *Options) count() int { return max(o.Count, 1) }

// use runs a call of the generator's, with what it lends to C.
func (g *Generator) use(ctx context.Context, call func(*C.pdiff_generator, *C.pdiff_cancel, *memory, *C.pdiff_error) (C.int32_t, error)) error {
	c, err := g.handle.acquire()
	if err != nil {
		return err
	}
	defer g.handle.release()
	return withCancel(ctx, func(cancel *C.pdiff_cancel) error {
		var lent memory
		defer lent.free()
		detail := newError()
		status, err := call(c, cancel, &lent, &detail)
		if err != nil {
			return err
		}
		return failure(status, &detail)
	})
}

// sampling runs a call that samples, with the options and callbacks as C reads them.
func (g *Generator) sampling(
	ctx context.Context, options *Options, back callbacks,
	call func(*C.pdiff_generator, *C.pdiff_sample_options, *C.pdiff_cancel, unsafe.Pointer, *memory, *C.pdiff_error) (C.int32_t, error),
) error {
	var finish func(error) error
	err := g.use(ctx, func(c *C.pdiff_generator, cancel *C.pdiff_cancel, lent *memory, detail *C.pdiff_error) (C.int32_t, error) {
		chosen, err := options.c(lent)
		if err != nil || lent.err != nil {
			return 0, cmp.Or(err, lent.err)
		}
		back.gradient, back.score = options.Gradient, options.Score
		context, finished := back.lendTo(lent)
		finish = finished
		chosen.gradient, chosen.gradient_context = gradientCallback(options.Gradient), context
		chosen.score, chosen.score_context = scoreCallback(options.Score), context
		return call(c, chosen, cancel, context, lent, detail)
	})
	if finish == nil {
		return err
	}
	return finish(err)
}

func gradientCallback(gradient func(number, step uint64, network, gradient []float32) (float64, error)) C.pdiff_gradient_callback {
	if gradient == nil {
		return nil
	}
	return C.pdiff_gradient_callback(C.pdiffGoGradient)
}

func scoreCallback(score func(network []float32) (Score, error)) C.pdiff_score_callback {
	if score == nil {
		return nil
	}
	return C.pdiff_score_callback(C.pdiffGoScore)
}

//export pdiffGoGradient
func pdiffGoGradient(context unsafe.Pointer, number, step C.uint64_t, numbers *C.float, parameters C.uint64_t, loss *C.double, out *C.float) C.int32_t {
	c := calledBack(context)
	return c.guarded(func() error {
		network := unsafe.Slice((*float32)(unsafe.Pointer(numbers)), parameters)
		gradient := unsafe.Slice((*float32)(unsafe.Pointer(out)), parameters)
		value, err := c.gradient(uint64(number), uint64(step), network, gradient)
		*loss = C.double(value)
		return err
	})
}

// Sample samples networks as flat vectors of Parameters numbers each; TensorInfo.In finds the
// tensors in one.
func (g *Generator) Sample(ctx context.Context, options Options) ([][]float32, error) {
	if options.Count < 0 || uint64(options.count()) > math.MaxInt/4/uint64(max(g.parameters, 1)) {
		return nil, invalid("Options.Count is %d; ask for 1 or more, and fewer at once", options.Count)
	}
	flat := make([]float32, options.count()*g.parameters)
	if err := g.SampleInto(ctx, flat, options); err != nil {
		return nil, err
	}
	networks := make([][]float32, options.count())
	for i := range networks {
		networks[i] = flat[i*g.parameters : (i+1)*g.parameters : (i+1)*g.parameters]
	}
	return networks, nil
}

// SampleInto samples networks one after the other into dst, which has room for Count times
// Parameters numbers or more. On an error dst is as it was.
func (g *Generator) SampleInto(ctx context.Context, dst []float32, options Options) error {
	room := dst
	if len(room) == 0 {
		room = make([]float32, 1)
	}
	return g.sampling(ctx, &options, callbacks{}, func(c *C.pdiff_generator, chosen *C.pdiff_sample_options, cancel *C.pdiff_cancel, _ unsafe.Pointer, _ *memory, detail *C.pdiff_error) (C.int32_t, error) {
		return C.pdiff_sample(c, chosen, cancel, unsafe.Pointer(&room[0]), C.size_t(4*len(dst)), nil, detail), nil
	})
}

// SampleEach samples networks one after the other and shows each to visit, in order and in memory
// that does not grow with their number. What visit gets lasts until it returns; an error of its ends
// the work.
func (g *Generator) SampleEach(
	ctx context.Context, options Options, visit func(number uint64, network []float32) error,
) error {
	if visit == nil {
		return invalid("visit is nil; pass a function that takes a network")
	}
	return g.sampling(ctx, &options, callbacks{visit: visit}, func(c *C.pdiff_generator, chosen *C.pdiff_sample_options, cancel *C.pdiff_cancel, context unsafe.Pointer, _ *memory, detail *C.pdiff_error) (C.int32_t, error) {
		call := C.pdiff_network_callback(C.pdiffGoNetwork)
		return C.pdiff_sample_each(c, chosen, cancel, call, context, detail), nil
	})
}

//export pdiffGoNetwork
func pdiffGoNetwork(context unsafe.Pointer, number C.uint64_t, numbers *C.float, parameters C.uint64_t) C.int32_t {
	c := calledBack(context)
	return c.guarded(func() error {
		return c.visit(uint64(number), unsafe.Slice((*float32)(unsafe.Pointer(numbers)), parameters))
	})
}

// SampleTensors samples networks tensor by tensor, in the order of Tensors: each as [count, shape...]
// in its own dtype, those from the base included.
func (g *Generator) SampleTensors(ctx context.Context, options Options) ([]Tensor, error) {
	tensors := make([]Tensor, len(g.tensors))
	err := g.sampling(ctx, &options, callbacks{}, func(c *C.pdiff_generator, chosen *C.pdiff_sample_options, cancel *C.pdiff_cancel, _ unsafe.Pointer, lent *memory, detail *C.pdiff_error) (C.int32_t, error) {
		buffers := make([]C.pdiff_buffer, len(tensors))
		for i, info := range g.tensors {
			if info.Bytes > 0 && options.count() > math.MaxInt/info.Bytes {
				return 0, invalid("Options.Count is %d; ask for fewer at once", options.Count)
			}
			data := make([]byte, options.count()*info.Bytes)
			buffers[i] = C.pdiff_buffer{data: unsafe.Pointer(lend(lent, data)), bytes: C.size_t(len(data))}
			shape := append([]int64{int64(options.count())}, info.Shape...)
			tensors[i] = Tensor{Name: info.Name, Shape: shape, DType: info.DType, Data: data}
		}
		return C.pdiff_sample_tensors(c, chosen, cancel, lend(lent, buffers), C.size_t(len(buffers)), detail), nil
	})
	if err != nil {
		return nil, err
	}
	return tensors, nil
}

// SampleFiles samples networks into safetensors files in folder, network-000000.safetensors and so
// on: all of them, or none.
func (g *Generator) SampleFiles(ctx context.Context, folder string, options Options) error {
	return g.sampling(ctx, &options, callbacks{}, func(c *C.pdiff_generator, chosen *C.pdiff_sample_options, cancel *C.pdiff_cancel, _ unsafe.Pointer, lent *memory, detail *C.pdiff_error) (C.int32_t, error) {
		path := lent.text("folder", folder)
		if lent.err != nil {
			return 0, lent.err
		}
		return C.pdiff_sample_files(c, chosen, cancel, path, detail), nil
	})
}
