package pdiff

/*
#include <pdiff.h>

extern int32_t pdiffGoProgress(void *, pdiff_progress *);
*/
import "C"

import (
	"errors"
	"runtime/cgo"
	"unsafe"
)

// Progress is where long work is.
type Progress struct {
	// Phase is collect, align, evaluate, or a phase of training: align, codec, autoencoder, denoiser,
	// behaviour, gates.
	Phase       string
	Step, Total uint64
	// Loss is the phase's latest; NaN where it has none.
	Loss float64
	// Rate is in steps a second.
	Rate float64
	// SecondsLeft until the phase ends; NaN before its first step.
	SecondsLeft float64
}

// callbacks are those of one call, and how they ended it.
type callbacks struct {
	progress func(Progress) error
	score    func(network []float32) (Score, error)
	visit    func(number uint64, network []float32) error
	// activations fills a place for each permutation group.
	activations func(network []float32, groups []Activations) error
	// run fills what a network computes.
	run         func(network, outputs []float32) error
	gradient    func(number, step uint64, network, gradient []float32) (float64, error)
	scored      memory // what C was lent with the latest score
	err         error
	panicked    any
}

const goOn, end = 0, 1

// guarded runs a callback and keeps how it failed from crossing C.
func (c *callbacks) guarded(callback func() error) (status C.int32_t) {
	defer func() {
		if value := recover(); value != nil {
			c.panicked, status = value, end
		}
	}()
	if c.err = callback(); c.err != nil {
		return end
	}
	return goOn
}

// lendTo gives what C passes back to an exported function. The result is to be called with the
// call's own error when it has returned: it panics again, or adds the callback's error.
func (c *callbacks) lendTo(lent *memory) (context unsafe.Pointer, finish func(error) error) {
	handle := []cgo.Handle{cgo.NewHandle(c)}
	finish = func(err error) error {
		handle[0].Delete()
		c.scored.free()
		if c.panicked != nil {
			panic(c.panicked)
		}
		var failed *Error
		if c.err != nil && errors.As(err, &failed) {
			return &Error{Code: failed.Code, Message: failed.Message, cause: c.err}
		}
		return err
	}
	return unsafe.Pointer(lend(lent, handle)), finish
}

func calledBack(context unsafe.Pointer) *callbacks {
	return (*(*cgo.Handle)(context)).Value().(*callbacks)
}

// progressCallback is NULL where the host does not watch.
func progressCallback(progress func(Progress) error) C.pdiff_progress_callback {
	if progress == nil {
		return nil
	}
	return C.pdiff_progress_callback(C.pdiffGoProgress)
}

//export pdiffGoProgress
func pdiffGoProgress(context unsafe.Pointer, at *C.pdiff_progress) C.int32_t {
	c := calledBack(context)
	return c.guarded(func() error {
		return c.progress(Progress{
			Phase: C.GoString(at.phase), Step: uint64(at.step), Total: uint64(at.total),
			Loss: float64(at.loss), Rate: float64(at.rate), SecondsLeft: float64(at.seconds_left),
		})
	})
}
