package pdiff

/*
#include <pdiff.h>

extern int32_t pdiffGoActivations(void *, float *, uint64_t, pdiff_activations **, size_t);
extern int32_t pdiffGoRun(void *, float *, uint64_t, float *, uint64_t);
*/
import "C"

import (
	"context"
	"unsafe"
)

// Activations is what the units of a permutation group do in one network: a place to be filled.
type Activations struct {
	// Group is its name in the symmetry spec.
	Group           string
	Examples, Units int
	// Values are [Examples, Units]: each unit's activation on each example, the same for every network.
	Values []float32
}

// AlignOptions is what an alignment may choose. The zero value matches weights by the symmetry that the
// collection has, or that names and shapes say without a doubt.
type AlignOptions struct {
	// Symmetry is the spec, JSON; empty: the collection's, or what names and shapes say without a doubt.
	Symmetry string
	// Rounds of weight matching, in which all snapshots are aligned to their mean to find the next; 0: 4.
	Rounds uint64
	Seed   uint64
	// Balance brings rectified units to one scale too, where the symmetry has scalings.
	Balance bool
	// Threads; 0: one per core.
	Threads uint32
	// Examples [n, ExampleNumbers], on which the library runs the spec's chain to match units by what they
	// do; nil: none.
	Examples       []float32
	ExampleNumbers int
	// Activations is called for every snapshot's network, to match units by what it fills, in place of
	// examples. Numbers and places last until it returns; an error ends the work.
	Activations func(network []float32, groups []Activations) error
	// ActivationExamples is how many examples it gives activations on.
	ActivationExamples int
	// Progress is called as the work goes on; an error ends it.
	Progress func(Progress) error
	// Run fills outputs with what a network computes on inputs of the host's choice, the same at every call, to
	// find a wrong symmetry out before anything is written: the first snapshot must compute the same with each
	// group moved at random. A chain is run by the library itself. Both last until it returns; an error ends the work.
	Run func(network, outputs []float32) error
	// RunOutputs is how many numbers it fills.
	RunOutputs int
}

// Align writes a copy of a collection whose snapshots have their hidden units in one order, to a new
// folder, which is whole or not there. Every network computes what it did.
func Align(ctx context.Context, collection, aligned string, options AlignOptions) error {
	count := options.ActivationExamples
	if each := options.ExampleNumbers; each > 0 {
		count = len(options.Examples) / each
		if len(options.Examples)%each != 0 {
			return invalid("%d examples' numbers are no multiple of %d; pass whole examples", len(options.Examples), each)
		}
	}
	if count < 0 || options.ExampleNumbers < 0 || options.RunOutputs < 0 {
		return invalid("AlignOptions has a negative count; pass 0 or more")
	}
	return withCancel(ctx, func(cancel *C.pdiff_cancel) error {
		var lent memory
		defer lent.free()
		from, to := lent.text("collection", collection), lent.text("aligned", aligned)
		symmetry := lent.optional("symmetry", options.Symmetry)
		if lent.err != nil {
			return lent.err
		}
		host := callbacks{progress: options.Progress, activations: options.Activations, run: options.Run}
		context, finish := host.lendTo(&lent)
		var activations C.pdiff_activation_callback
		if options.Activations != nil {
			activations = C.pdiff_activation_callback(C.pdiffGoActivations)
		}
		var run C.pdiff_run_callback
		if options.Run != nil {
			run = C.pdiff_run_callback(C.pdiffGoRun)
		}
		chosen := lend(&lent, []C.pdiff_align_options{{
			struct_size: C.sizeof_pdiff_align_options,
			symmetry:    symmetry, rounds: C.uint64_t(options.Rounds), seed: C.uint64_t(options.Seed),
			balance: truth(options.Balance), threads: C.uint32_t(options.Threads),
			examples:      (*C.float)(unsafe.Pointer(lend(&lent, options.Examples))),
			example_count: C.uint64_t(count), example_numbers: C.uint64_t(options.ExampleNumbers),
			activations: activations, activations_context: context,
			progress: progressCallback(options.Progress), progress_context: context,
			run: run, run_context: context, run_outputs: C.uint64_t(options.RunOutputs),
		}})
		detail := newError()
		status := C.pdiff_align(from, to, chosen, cancel, &detail)
		return finish(failure(status, &detail))
	})
}

//export pdiffGoActivations
func pdiffGoActivations(
	context unsafe.Pointer, numbers *C.float, parameters C.uint64_t, groups **C.pdiff_activations, groupCount C.size_t,
) C.int32_t {
	c := calledBack(context)
	return c.guarded(func() error {
		places := make([]Activations, 0, groupCount)
		for _, group := range unsafe.Slice(groups, groupCount) {
			examples, units := int(group.examples), int(group.units)
			places = append(places, Activations{
				Group: C.GoString(group.group), Examples: examples, Units: units,
				Values: unsafe.Slice((*float32)(unsafe.Pointer(group.values)), examples*units),
			})
		}
		return c.activations(unsafe.Slice((*float32)(unsafe.Pointer(numbers)), parameters), places)
	})
}

//export pdiffGoRun
func pdiffGoRun(
	context unsafe.Pointer, numbers *C.float, parameters C.uint64_t, outputs *C.float, outputCount C.uint64_t,
) C.int32_t {
	c := calledBack(context)
	return c.guarded(func() error {
		network := unsafe.Slice((*float32)(unsafe.Pointer(numbers)), parameters)
		return c.run(network, unsafe.Slice((*float32)(unsafe.Pointer(outputs)), outputCount))
	})
}
