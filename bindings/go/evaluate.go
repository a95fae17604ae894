package pdiff

/*
#include <pdiff.h>

extern int32_t pdiffGoScore(void *, float *, uint64_t, pdiff_score *);
*/
import "C"

import (
	"cmp"
	"context"
	"unsafe"
)

// Score is what a network is worth.
type Score struct {
	// Score is better when it is higher: accuracy, return, minus a loss.
	Score float64
	// Selection is the score on examples kept for choosing, which baselines that choose use; nil: none.
	Selection *float64
	// Predictions has the predicted class of each test example; nil: none.
	Predictions []int64
	// Labels has the true class of each, the same for every network; nil: as the first network said.
	Labels []int64
}

// EvaluateOptions is what an evaluation may choose.
type EvaluateOptions struct {
	// Samples that are judged; a Count of 0: 200.
	Samples Options
	// BaselineCount of networks per baseline; 0: as many as are sampled.
	BaselineCount int
	// Seed of the baselines.
	Seed uint64
	// Baselines has beginnings of the names of those to run, such as "soup"; empty: all.
	Baselines []string
	// Progress is called after every network; an error ends the work.
	Progress func(Progress) error
}

// Evaluate judges samples beside the collection that the generator was trained on and the trivial
// baselines, and writes the evaluation to a JSON file, which `pdiff report` draws. score is called
// for every network, whose numbers last until it returns; an error of its ends the work.
func (g *Generator) Evaluate(
	ctx context.Context, collection, evaluation string, score func(network []float32) (Score, error), options EvaluateOptions,
) error {
	if score == nil {
		return invalid("score is nil; pass a function that judges a network")
	}
	if options.BaselineCount < 0 {
		return invalid("EvaluateOptions.BaselineCount is %d; pass 0 or more", options.BaselineCount)
	}
	var judge callbacks
	var finish func(error) error
	err := g.use(ctx, func(c *C.pdiff_generator, cancel *C.pdiff_cancel, lent *memory, detail *C.pdiff_error) (C.int32_t, error) {
		from, to := lent.text("collection", collection), lent.text("evaluation", evaluation)
		baselines := lent.texts("baseline", options.Baselines)
		samples, err := options.Samples.c(lent)
		if err != nil || lent.err != nil {
			return 0, cmp.Or(err, lent.err)
		}
		judge = callbacks{progress: options.Progress, score: score}
		context, finished := judge.lendTo(lent)
		finish = finished
		chosen := lend(lent, []C.pdiff_evaluate_options{{
			struct_size: C.sizeof_pdiff_evaluate_options,
			sample:      samples, baseline_count: C.uint64_t(options.BaselineCount),
			seed: C.uint64_t(options.Seed), baselines: baselines, baselines_length: C.size_t(len(options.Baselines)),
			progress: progressCallback(options.Progress), progress_context: context,
		}})
		call := C.pdiff_score_callback(C.pdiffGoScore)
		return C.pdiff_evaluate(c, from, to, call, context, chosen, cancel, detail), nil
	})
	if finish == nil {
		return err
	}
	return finish(err)
}

//export pdiffGoScore
func pdiffGoScore(context unsafe.Pointer, numbers *C.float, parameters C.uint64_t, out *C.pdiff_score) C.int32_t {
	c := calledBack(context)
	return c.guarded(func() error {
		score, err := c.score(unsafe.Slice((*float32)(unsafe.Pointer(numbers)), parameters))
		if err != nil {
			return err
		}
		c.scored.free()
		out.score = C.double(score.Score)
		if score.Selection != nil {
			out.selection_score, out.has_selection = C.double(*score.Selection), 1
		}
		out.predictions = (*C.int64_t)(unsafe.Pointer(lend(&c.scored, score.Predictions)))
		out.prediction_count = C.size_t(len(score.Predictions))
		out.labels = (*C.int64_t)(unsafe.Pointer(lend(&c.scored, score.Labels)))
		out.label_count = C.size_t(len(score.Labels))
		return nil
	})
}
