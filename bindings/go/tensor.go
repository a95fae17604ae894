package pdiff

// #include <pdiff.h>
import "C"

import (
	"fmt"
	"unsafe"
)

// DType is a tensor's element type.
type DType int32

const (
	F32  DType = C.PDIFF_DTYPE_F32
	F64  DType = C.PDIFF_DTYPE_F64
	F16  DType = C.PDIFF_DTYPE_F16
	BF16 DType = C.PDIFF_DTYPE_BF16
	I64  DType = C.PDIFF_DTYPE_I64
	I32  DType = C.PDIFF_DTYPE_I32
	I16  DType = C.PDIFF_DTYPE_I16
	I8   DType = C.PDIFF_DTYPE_I8
	U8   DType = C.PDIFF_DTYPE_U8
	Bool DType = C.PDIFF_DTYPE_BOOL
)

var dtypes = map[DType]struct {
	name  string
	bytes int
}{
	F32: {"F32", 4}, F64: {"F64", 8}, F16: {"F16", 2}, BF16: {"BF16", 2}, I64: {"I64", 8},
	I32: {"I32", 4}, I16: {"I16", 2}, I8: {"I8", 1}, U8: {"U8", 1}, Bool: {"BOOL", 1},
}

// String is the name that safetensors has for it, such as "BF16".
func (d DType) String() string {
	if known, ok := dtypes[d]; ok {
		return known.name
	}
	return fmt.Sprintf("DType(%d)", int32(d))
}

// Tensor is a named tensor in memory.
type Tensor struct {
	Name  string
	Shape []int64
	DType DType
	// Data has the elements, row-major and without gaps, in the machine's byte order.
	Data []byte
}

// Element is a Go type that holds elements of a tensor. F16 and BF16 have none: their tensors are
// made and read as bytes.
type Element interface {
	float32 | float64 | int64 | int32 | int16 | int8 | uint8 | bool
}

func dtypeOf[T Element]() DType {
	switch any(*new(T)).(type) {
	case float32:
		return F32
	case float64:
		return F64
	case int64:
		return I64
	case int32:
		return I32
	case int16:
		return I16
	case int8:
		return I8
	case uint8:
		return U8
	default:
		return Bool
	}
}

// NewTensor is a tensor over values, which are not copied.
func NewTensor[T Element](name string, values []T, shape ...int64) Tensor {
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(*new(T))))
	return Tensor{Name: name, Shape: shape, DType: dtypeOf[T](), Data: bytes}
}

// Values are a copy of a tensor's elements. It fails with ErrMismatch when they are no T.
func Values[T Element](t Tensor) ([]T, error) {
	if t.DType != dtypeOf[T]() {
		return nil, &Error{Code: ErrMismatch, Message: fmt.Sprintf("tensor %s holds %v, not %v", t.Name, t.DType, dtypeOf[T]())}
	}
	values := make([]T, len(t.Data)/int(unsafe.Sizeof(*new(T))))
	copy(NewTensor("", values).Data, t.Data)
	return values, nil
}

// TensorInfo is a tensor of a generator's networks.
type TensorInfo struct {
	Name  string
	Shape []int64
	DType DType
	// Bytes of one network's tensor.
	Bytes int
	// Generated is false for a tensor from the base, the same in every network.
	Generated bool
	// Offset is where it begins in a flat network, if it is generated.
	Offset int
}

// Elements is how many numbers it has.
func (t TensorInfo) Elements() int {
	elements := 1
	for _, length := range t.Shape {
		elements *= int(length)
	}
	return elements
}

// In is the tensor's part of a flat network; nil if it is not generated.
func (t TensorInfo) In(network []float32) []float32 {
	if !t.Generated {
		return nil
	}
	end := t.Offset + t.Elements()
	return network[t.Offset:end:end]
}
