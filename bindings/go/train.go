package pdiff

// #include <pdiff.h>
import "C"

import "context"

// Engine is what learns a generator.
type Engine int32

const (
	// DefaultEngine is flow matching over principal components.
	DefaultEngine Engine = C.PDIFF_ENGINE_DEFAULT
	// PaperEngine is p-diff as published (arXiv 2402.13144).
	PaperEngine Engine = C.PDIFF_ENGINE_PAPER
)

// TrainOptions is what training may choose. The zero value serves any collection.
type TrainOptions struct {
	Engine Engine
	Seed   uint64
	// Steps of the denoiser's training; 0: the engine's own number.
	Steps uint64
	// AutoencoderSteps of the paper engine; 0: the published number.
	AutoencoderSteps uint64
	Device           Device
	DeviceIndex      uint32
	// Precision F16 has the default engine's file keep its matrices in half the size, BF16 has the paper engine
	// round the operands of its training's products; 0: F32.
	Precision DType
	// Components that the default engine keeps at most, without what is beyond them; 0: as many as the
	// collection spans, up to 1,024, and what is beyond as noise.
	Components uint32
	// Align brings the snapshots' hidden units into one order first. Networks of different seeds want it.
	Align bool
	// Symmetry is the spec to align by, JSON; empty: the collection's, or what names and shapes say
	// without a doubt. Its chain says how networks compute; see Untaught.
	Symmetry string
	// Balance brings rectified units to one scale too, where the symmetry has scalings.
	Balance bool
	// AlignRounds is how often all snapshots are aligned to their mean to find the next; 0: 4.
	AlignRounds uint64
	// Probe teaches the generator which networks work, by the mean cross-entropy of its samples on
	// examples, for a network that the library can run. Default engine, collections without
	// conditions.
	Probe *Probe
	// Gradient says what to teach by, for any network, instead of Probe and not beside it: as Options.Gradient does, with
	// the network's number within the step.
	Gradient func(number, step uint64, network, gradient []float32) (loss float64, err error)
	// BehaviourSteps is how many steps the behaviour loss takes; 0: 5,000, or with Score 2,000.
	BehaviourSteps uint64
	// BehaviourBatch is the examples that each network of a step gets from Probe; 0: 256, or all where
	// there are fewer. With Distill, inputs that four of them get.
	BehaviourBatch uint64
	// Distill teaches the generator what the snapshots do on inputs that the library draws, and so without any data, in
	// place of Probe and Gradient, for classifiers of standardized inputs. A symmetry spec with a chain, JSON; empty: the
	// collection's; nil: not. Where its input is [channels, height, width] they are images, and else white noise, by which
	// samples learn less.
	Distill *string
	// Score teaches the generator what scores high, where nothing has a gradient, in place of Probe, Gradient and Distill:
	// it is called 64 times at each step, for both sides of each of 32 samples in turn, and what counts is Selection, or
	// Score where there is none. Let it score on other examples than the samples are judged by. An error ends the work.
	// The network lasts until it returns.
	Score func(network []float32) (Score, error)
	// Untaught teaches nothing but by a Probe, Gradient, Distill or Score that is given. Otherwise, where there is none,
	// training distills by itself if the chain of Symmetry, or of the collection's own, says that outputs are logits, and
	// snapshots turn out to share no span. For networks of some ten thousand parameters that takes minutes where training
	// alone takes seconds, and longer in proportion.
	Untaught bool
	// CheckpointSeconds lie between checkpoints of the training; 0: 30.
	CheckpointSeconds uint32
	// Progress is called as the work goes on; an error ends it.
	Progress func(Progress) error
}

// Train learns a generator from a collection and writes it to a file, which is replaced only on
// success. After a done context, a failure or a kill the same call resumes to the same result. In a
// build without libtorch it fails with ErrUnsupported.
func Train(ctx context.Context, collection, generator string, options TrainOptions) error {
	return withCancel(ctx, func(cancel *C.pdiff_cancel) error {
		var lent memory
		defer lent.free()
		from, to := lent.text("collection", collection), lent.text("generator", generator)
		symmetry := lent.optional("symmetry", options.Symmetry)
		probe := options.Probe.c(&lent)
		var distill *C.char
		if options.Distill != nil {
			distill = lent.text("distill", *options.Distill)
		}
		if lent.err != nil {
			return lent.err
		}
		watch := callbacks{progress: options.Progress, gradient: options.Gradient, score: options.Score}
		context, finish := watch.lendTo(&lent)
		chosen := lend(&lent, []C.pdiff_train_options{{
			struct_size: C.sizeof_pdiff_train_options,
			engine:      C.int32_t(options.Engine), seed: C.uint64_t(options.Seed),
			steps: C.uint64_t(options.Steps), autoencoder_steps: C.uint64_t(options.AutoencoderSteps),
			device: C.int32_t(options.Device), device_index: C.uint32_t(options.DeviceIndex),
			checkpoint_seconds: C.uint32_t(options.CheckpointSeconds),
			precision:          C.int32_t(options.Precision), components: C.uint32_t(options.Components),
			align: truth(options.Align), balance: truth(options.Balance),
			symmetry: symmetry, align_rounds: C.uint64_t(options.AlignRounds),
			progress: progressCallback(options.Progress), progress_context: context,
			probe: probe, gradient: gradientCallback(options.Gradient), gradient_context: context,
			behaviour_steps: C.uint64_t(options.BehaviourSteps), behaviour_batch: C.uint64_t(options.BehaviourBatch),
			distill: distill, score: scoreCallback(options.Score), score_context: context,
			untaught: truth(options.Untaught),
		}})
		detail := newError()
		status := C.pdiff_train(from, to, chosen, cancel, &detail)
		return finish(failure(status, &detail))
	})
}
