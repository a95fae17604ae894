package pdiff

// #include <pdiff.h>
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// Version is that of the library in use.
func Version() string { return C.GoString(C.pdiff_version()) }

// Generator is an open generator file, for any number of goroutines. What it says of itself stays
// readable after Close.
type Generator struct {
	handle     *handle
	parameters int
	tensors    []TensorInfo
	conditions []string
	about      string
	good       bool
}

// handle frees the C side with the last call that uses it.
type handle struct {
	lock   sync.Mutex
	c      *C.pdiff_generator
	users  int
	closed bool
}

func (h *handle) acquire() (*C.pdiff_generator, error) {
	h.lock.Lock()
	defer h.lock.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	h.users++
	return h.c, nil
}

func (h *handle) release() {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.users--
	h.freeIfUnused()
}

func (h *handle) close() {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.closed = true
	h.freeIfUnused()
}

func (h *handle) freeIfUnused() {
	if h.closed && h.users == 0 {
		C.pdiff_generator_close(h.c)
		h.c = nil
	}
}

// Open opens a generator file, whose numbers are mapped, not read: the file must not be written to
// in place while it is open. A generator that is forgotten is closed by the garbage collector.
func Open(path string) (*Generator, error) {
	var lent memory
	defer lent.free()
	name := lent.text("path", path)
	if lent.err != nil {
		return nil, lent.err
	}
	h := &handle{}
	detail := newError()
	if err := failure(C.pdiff_generator_open(name, &h.c, &detail), &detail); err != nil {
		return nil, err
	}
	g := &Generator{handle: h}
	if err := g.read(h.c); err != nil {
		h.close()
		return nil, err
	}
	runtime.AddCleanup(g, (*handle).close, h)
	return g, nil
}

// read asks the generator everything that it says of itself.
func (g *Generator) read(c *C.pdiff_generator) error {
	var err error
	ask := func(call func(*C.pdiff_error) C.int32_t) {
		if err == nil {
			detail := newError()
			err = failure(call(&detail), &detail)
		}
	}
	var parameters C.uint64_t
	var tensors, conditions C.size_t
	var good C.int32_t
	var text *C.char
	ask(func(e *C.pdiff_error) C.int32_t { return C.pdiff_generator_parameters(c, &parameters, e) })
	ask(func(e *C.pdiff_error) C.int32_t { return C.pdiff_generator_tensor_count(c, &tensors, e) })
	ask(func(e *C.pdiff_error) C.int32_t { return C.pdiff_generator_condition_count(c, &conditions, e) })
	ask(func(e *C.pdiff_error) C.int32_t { return C.pdiff_generator_is_good(c, &good, e) })
	ask(func(e *C.pdiff_error) C.int32_t { return C.pdiff_generator_about(c, &text, e) })
	g.about = C.GoString(text)
	for i := C.size_t(0); i < tensors && err == nil; i++ {
		info := C.pdiff_tensor_info{struct_size: C.sizeof_pdiff_tensor_info}
		ask(func(e *C.pdiff_error) C.int32_t { return C.pdiff_generator_tensor(c, i, &info, e) })
		shape := make([]int64, info.rank)
		copy(shape, unsafe.Slice((*int64)(unsafe.Pointer(info.shape)), info.rank))
		g.tensors = append(g.tensors, TensorInfo{
			Name: C.GoString(info.name), Shape: shape, DType: DType(info.dtype), Bytes: int(info.bytes),
			Generated: info.generated == 1, Offset: int(info.offset),
		})
	}
	for i := C.size_t(0); i < conditions && err == nil; i++ {
		ask(func(e *C.pdiff_error) C.int32_t { return C.pdiff_generator_condition(c, i, &text, e) })
		g.conditions = append(g.conditions, C.GoString(text))
	}
	g.parameters, g.good = int(parameters), good == 1
	return err
}

// Close closes the generator without waiting: calls that run come to their end. Closing again does
// nothing. The error is always nil; it makes a Generator an io.Closer.
func (g *Generator) Close() error {
	g.handle.close()
	return nil
}

// Parameters is how many numbers a flat network has.
func (g *Generator) Parameters() int { return g.parameters }

// Tensors are a network's, those from the base included, in the order of the checkpoints.
func (g *Generator) Tensors() []TensorInfo { return append([]TensorInfo(nil), g.tensors...) }

// Tensor is the tensor of a name.
func (g *Generator) Tensor(name string) (info TensorInfo, found bool) {
	for _, tensor := range g.tensors {
		if tensor.Name == name {
			return tensor, true
		}
	}
	return TensorInfo{}, false
}

// Conditions names the numbers of a condition.
func (g *Generator) Conditions() []string { return append([]string(nil), g.conditions...) }

// About is everything in the file but its numbers, as JSON; docs/formats.md describes it.
func (g *Generator) About() string { return g.about }

// IsGood says whether every gate of the training passed. About says which did not.
func (g *Generator) IsGood() bool { return g.good }
