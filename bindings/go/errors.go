package pdiff

// #include <pdiff.h>
import "C"

import (
	"context"
	"errors"
	"fmt"
)

// Status is why libpdiff refused a call. Each is an error of its own, for errors.Is.
type Status int32

const (
	ErrInvalidArgument   Status = C.PDIFF_INVALID_ARGUMENT
	ErrIO                Status = C.PDIFF_IO
	ErrCorrupt           Status = C.PDIFF_CORRUPT
	ErrNewerVersion      Status = C.PDIFF_NEWER_VERSION
	ErrMismatch          Status = C.PDIFF_MISMATCH
	ErrNonFinite         Status = C.PDIFF_NON_FINITE
	ErrEmptySelection    Status = C.PDIFF_EMPTY_SELECTION
	ErrTooFewSnapshots   Status = C.PDIFF_TOO_FEW_SNAPSHOTS
	ErrCondition         Status = C.PDIFF_CONDITION
	ErrBufferTooSmall    Status = C.PDIFF_BUFFER_TOO_SMALL
	ErrCancelled         Status = C.PDIFF_CANCELLED
	ErrDeviceUnavailable Status = C.PDIFF_DEVICE_UNAVAILABLE
	ErrUnsupported       Status = C.PDIFF_UNSUPPORTED
	ErrOutOfMemory       Status = C.PDIFF_OUT_OF_MEMORY
	ErrTorch             Status = C.PDIFF_TORCH
	ErrCallback          Status = C.PDIFF_CALLBACK
	ErrInternal          Status = C.PDIFF_INTERNAL
)

// Error is the status as C spells it, such as PDIFF_IO.
func (s Status) Error() string { return C.GoString(C.pdiff_status_name(C.int32_t(s))) }

// ErrClosed is what a closed generator answers.
var ErrClosed = errors.New("pdiff: the generator is closed")

// Error is what libpdiff refused, and why.
type Error struct {
	Code Status
	// Message is one line: the thing, and what to change.
	Message string

	// What the host's side had to say: ctx.Err() or a callback's error; nil where it had nothing.
	cause error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return "pdiff: " + e.Message + ": " + e.cause.Error()
	}
	return "pdiff: " + e.Message
}

// Unwrap gives the status, and what ended the call from the host's side.
func (e *Error) Unwrap() []error {
	if e.cause != nil {
		return []error{e.Code, e.cause}
	}
	return []error{e.Code}
}

func invalid(format string, values ...any) error {
	return &Error{Code: ErrInvalidArgument, Message: fmt.Sprintf(format, values...)}
}

func cancelled(ctx context.Context) error {
	return &Error{Code: ErrCancelled, Message: "cancelled", cause: ctx.Err()}
}

func newError() C.pdiff_error {
	return C.pdiff_error{struct_size: C.sizeof_pdiff_error}
}

// failure is nil for PDIFF_OK.
func failure(status C.int32_t, detail *C.pdiff_error) error {
	if status == C.PDIFF_OK {
		return nil
	}
	return &Error{Code: Status(status), Message: C.GoString(&detail.message[0])}
}
