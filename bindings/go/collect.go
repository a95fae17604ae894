package pdiff

// #include <pdiff.h>
import "C"

import (
	"context"
	"maps"
	"slices"
	"unsafe"
)

// Snapshot is one checkpoint: its tensors in memory, or the file that holds them.
type Snapshot struct {
	// Name is what messages call it; empty: its file, or its number in the call.
	Name string
	// File is a safetensors file or a PyTorch state dict (.pt, .pth); empty: the tensors are in memory.
	File    string
	Tensors []Tensor
	// Condition has one number per condition name of the collection.
	Condition []float32
	// Metrics have the same names in all snapshots of a call.
	Metrics map[string]float64
}

// CollectOptions is what a collect call may choose. The first call of a collection decides on Select
// and Conditions; later ones leave them out or repeat them.
type CollectOptions struct {
	// Select has glob patterns over tensor names; `*` crosses dots, a leading `!` excludes. Empty:
	// every floating-point tensor.
	Select     []string
	Conditions []string
	// Progress is called after each snapshot; an error ends the work.
	Progress func(Progress) error
}

// Collect appends snapshots to a collection, a folder, which the first call makes: all of them or
// none. A done context stops it after a snapshot.
func Collect(ctx context.Context, collection string, snapshots []Snapshot, options CollectOptions) error {
	if ctx.Err() != nil {
		return cancelled(ctx)
	}
	var lent memory
	defer lent.free()
	watched := func(at Progress) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if options.Progress == nil {
			return nil
		}
		return options.Progress(at)
	}
	watch := callbacks{progress: watched}
	context, finish := watch.lendTo(&lent)
	given := make([]C.pdiff_snapshot, len(snapshots))
	for i := range snapshots {
		var err error
		if given[i], err = snapshots[i].c(&lent); err != nil {
			return finish(err)
		}
	}
	chosen := lend(&lent, []C.pdiff_collect_options{{
		struct_size: C.sizeof_pdiff_collect_options,
		_select:     lent.texts("pattern", options.Select), select_count: C.size_t(len(options.Select)),
		conditions: lent.texts("condition", options.Conditions), condition_count: C.size_t(len(options.Conditions)),
		progress: progressCallback(watched), progress_context: context,
	}})
	folder := lent.text("collection", collection)
	if lent.err != nil {
		return finish(lent.err)
	}
	detail := newError()
	status := C.pdiff_collect(folder, lend(&lent, given), C.size_t(len(given)), chosen, &detail)
	err := finish(failure(status, &detail))
	if err != nil && ctx.Err() != nil && watch.err == ctx.Err() {
		return cancelled(ctx)
	}
	return err
}

func (s *Snapshot) c(lent *memory) (C.pdiff_snapshot, error) {
	tensors := make([]C.pdiff_tensor, len(s.Tensors))
	for i := range s.Tensors {
		if err := s.Tensors[i].check(); err != nil {
			return C.pdiff_snapshot{}, err
		}
		tensors[i] = s.Tensors[i].c(lent)
	}
	names := slices.Sorted(maps.Keys(s.Metrics))
	values := make([]float64, len(names))
	for i, name := range names {
		values[i] = s.Metrics[name]
	}
	given := C.pdiff_snapshot{
		struct_size: C.sizeof_pdiff_snapshot,
		tensors:     lend(lent, tensors), tensor_count: C.size_t(len(tensors)),
		condition:        (*C.float)(unsafe.Pointer(lend(lent, s.Condition))),
		condition_length: C.size_t(len(s.Condition)),
		metric_names:     lent.texts("metric", names),
		metric_values:    (*C.double)(unsafe.Pointer(lend(lent, values))),
		metric_count:     C.size_t(len(names)),
	}
	if s.Name != "" {
		given.name = lent.text("snapshot", s.Name)
	}
	if s.File != "" {
		given.file = lent.text("file", s.File)
	}
	return given, nil
}

// check holds the data to the shape, which C has to believe.
func (t *Tensor) check() error {
	known, ok := dtypes[t.DType]
	if !ok {
		return invalid("tensor %s has the dtype %v; use one of pdiff.F32 to pdiff.Bool", t.Name, t.DType)
	}
	left := int64(len(t.Data) / known.bytes)
	whole := len(t.Data)%known.bytes == 0
	for _, length := range t.Shape {
		if length == 0 {
			left, whole = 1, whole && len(t.Data) == 0
			break
		}
		if length < 0 || left%length != 0 || left == 0 {
			whole = false
			break
		}
		left /= length
	}
	if !whole || left != 1 {
		return invalid("tensor %s has %d bytes of data, and its shape is %v %v; make them agree", t.Name, len(t.Data), t.DType, t.Shape)
	}
	return nil
}

func (t *Tensor) c(lent *memory) C.pdiff_tensor {
	return C.pdiff_tensor{
		struct_size: C.sizeof_pdiff_tensor,
		name:        lent.text("tensor", t.Name),
		data:        unsafe.Pointer(lend(lent, t.Data)),
		shape:       (*C.int64_t)(unsafe.Pointer(lend(lent, t.Shape))),
		rank:        C.size_t(len(t.Shape)),
		dtype:       C.int32_t(t.DType),
	}
}
