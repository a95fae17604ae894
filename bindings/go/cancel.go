package pdiff

// #include <pdiff.h>
import "C"

import (
	"context"
	"errors"
)

// withCancel runs work with a token that is set when ctx is done.
func withCancel(ctx context.Context, work func(*C.pdiff_cancel) error) error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	if ctx.Done() == nil {
		return work(nil)
	}
	var token *C.pdiff_cancel
	detail := newError()
	if err := failure(C.pdiff_cancel_new(&token, &detail), &detail); err != nil {
		return err
	}
	set := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(set)
		C.pdiff_cancel_set(token, nil)
	})
	// Also when a callback's panic passes: the token outlives whoever may still set it.
	defer func() {
		if !stop() {
			<-set
		}
		C.pdiff_cancel_free(token)
	}()
	err := work(token)
	if errors.Is(err, ErrCancelled) {
		return cancelled(ctx)
	}
	return err
}
